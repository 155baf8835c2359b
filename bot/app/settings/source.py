"""The settings file, and the two settings that say where the ledger is.

Commands that only read the ledger need nothing else. So they do not wait for pydantic, and mistakes
in other settings do not stop them.
"""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bot.domain.errors import BadSettings
from bot.store.data_folder import DataFolder

NAME = "forgehand.toml"
PREFIX = "FORGEHAND_"
IN_WORKING_FOLDER = Path("forgehand-data")  # the usual data folder of earlier releases
_OF_ROOT = Path("/var/lib/forgehand")


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """The data folder, and the URL of the ledger's database."""

    data: Path
    store_url: str

    @property
    def file(self) -> Path | None:
        """The file of the ledger; None if [store] url names another one, or PostgreSQL."""
        return DataFolder(self.data.absolute()).ledger if self.is_in_data_folder else None

    @property
    def is_in_data_folder(self) -> bool:
        """Report whether the ledger is the SQLite file of the data folder."""
        return self.store_url == store_url(self.data, "")


def ledger_place(path: Path | None = None) -> LedgerPlace:
    """Read the place of the ledger from this settings file, or else the usual one, and from the environment.

    Raises BadSettings if a file cannot be read.
    """
    file = find(path)
    values = read(file) if file else {}
    path_of_data = _value(values, "data", "path", source=file)
    data = usual_data() if path_of_data is None else Path(path_of_data)
    return LedgerPlace(data, store_url(data, _value(values, "store", "url", source=file) or ""))


def usual_data() -> Path:
    """Return the data folder for the case that no setting names one.

    An installation that has its data in the working folder goes on there. Otherwise it is a folder of the
    machine for root, and else one of the user: https://specifications.freedesktop.org/basedir-spec.
    """
    if DataFolder(IN_WORKING_FOLDER).is_in_use:
        return IN_WORKING_FOLDER
    if os.geteuid() == 0:
        return _OF_ROOT
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if state.startswith("/") else Path.home() / ".local" / "state") / "forgehand"


def store_url(data: Path, url: str) -> str:
    """Return the URL of the ledger's database: `url`, or else that of the SQLite file in the data folder."""
    return url or f"sqlite:///{quote(str(DataFolder(data.absolute()).ledger))}"


def find(path: Path | None) -> Path | None:
    """Return this file, else the first that exists: in the working folder, then in /etc/forgehand."""
    return path or next((p for p in (Path(NAME), Path("/etc/forgehand") / NAME) if p.is_file()), None)


def read(path: Path) -> dict[str, Any]:
    """Return the content of the settings file. Raises BadSettings."""
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise BadSettings(
            f"{path} cannot be read: {error.strerror}. Name another file with --config."
        ) from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise BadSettings(f"{path} is not valid TOML: {error}.") from None


def content(name: str, path: str) -> str:
    """Return the content of the file that the variable `name` names. Raises BadSettings."""
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise BadSettings(f"{name} names {path}: {str(error.strerror).lower()}.") from None
    except ValueError:
        raise BadSettings(f"{name} names {path}, which is not a text file.") from None


def _value(values: dict[str, Any], section: str, key: str, *, source: Path | None) -> str | None:
    """Return the value of a setting; None if it has none."""
    variables = {name.upper(): value for name, value in os.environ.items()}
    name = f"{PREFIX}{section}__{key}".upper()
    if path := variables.get(f"{name}_FILE"):
        return content(f"{name}_FILE", path)
    if name in variables:
        return variables[name]
    table = values.get(section, {})
    value = table.get(key) if isinstance(table, dict) else 0
    if not isinstance(value, str | None):
        raise BadSettings(f"In {source}: [{section}] {key} must be text in quotes.")
    return value

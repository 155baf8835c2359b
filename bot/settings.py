"""What an operator may set: one TOML file, and the environment, which beats it.

Every mistake becomes one sentence that names the key and what to do, because
the reader is somebody who wants the bot to start, not to read a traceback.
"""

import difflib
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from bot.errors import BadSettings

NAME = "forgehand.toml"
_PREFIX = "FORGEHAND_"
_SHORTEST_TOKEN = 16
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str | int) -> int:
    """Read a duration: "90", "90s", "45m", "2h", "1d". Raises ValueError on anything else."""
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*([smhd]?)\s*", str(text))
    if found is None or int(found[1]) == 0:
        raise ValueError('must be a duration such as "45m" or "2h"')
    return int(found[1]) * _UNITS[found[2] or "s"]


def _words(value: Any) -> Any:
    """The environment has no lists: there, blanks, commas or line ends part the items."""
    return [word for word in re.split(r"[\s,]+", value) if word] if isinstance(value, str) else value


def _argv(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else value


def _long(secret: SecretStr) -> SecretStr:
    if 0 < len(secret) < _SHORTEST_TOKEN:
        raise ValueError(f"must have at least {_SHORTEST_TOKEN} characters: `openssl rand -hex 32` makes one")
    return secret


Seconds = Annotated[int, BeforeValidator(seconds)]
Words = Annotated[list[str], BeforeValidator(_words)]
Secrets = Annotated[list[SecretStr], BeforeValidator(_words)]
Argv = Annotated[list[str], BeforeValidator(_argv), Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Server(_Section):
    """Where the receiver and the pages listen, and how the world reaches them."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080  # 0: any free one
    public_url: str = ""  # "" = http://host:port
    operator_token: Annotated[SecretStr, AfterValidator(_long)] = SecretStr("")  # "" = pages by link alone
    body_cap: Annotated[int, Field(ge=1024)] = 25 * 1024 * 1024  # bytes of one delivery
    read_deadline: Seconds = 10  # for the whole of it


class Store(_Section):
    url: SecretStr = SecretStr("")  # "" = SQLite below [data] path


class Queue(_Section):
    url: SecretStr = SecretStr("")  # "" = in process, `forgehand up` only
    namespace: str = "forgehand"


class Data(_Section):
    path: Path = Path("forgehand-data")


class GitHub(_Section):
    url: str = "https://api.github.com"
    token: SecretStr = SecretStr("")
    webhook_secrets: Secrets = []
    bot_name: str = "forgehand"  # the account the token belongs to: people write @<bot_name> run


class Labels(_Section):
    """Labels of the operator's own: what they ask for, and what a task's thread wears once it has ended."""

    run: dict[str, str] = {}  # label = instructions
    succeeded: str = ""  # "" = none
    failed: str = ""
    waiting: str = ""


class Git(_Section):
    """Author and committer of what the bot pushes."""

    name: str = "Forgehand"
    email: str = "forgehand@localhost"


class Sandbox(_Section):
    image: str = "forgehand-agent"
    tools_image: str = "forgehand-tools"
    engine: str = ""  # "" = DOCKER_HOST, else the default socket
    uid: Annotated[int, Field(ge=1)] = 10001
    memory: Annotated[str, Field(pattern=r"^[0-9]+[bkmg]?$")] = "4g"
    cpus: Annotated[float, Field(ge=0)] = 2
    pids: Annotated[int, Field(ge=1)] = 512
    wall_limit: Seconds = 3600


class Agent(_Section):
    command: Argv


class Limits(_Section):
    """How many runs at once."""

    per_repository: Annotated[int, Field(ge=1)] = 2
    per_host: Annotated[int, Field(ge=1)] = 2


class Repositories(_Section):
    allow: Words = []  # owner, or owner/name; none = no command from a forge runs


class Settings(BaseSettings):
    """The whole configuration. Build it with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,  # lists arrive as words, not as JSON
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    server: Server = Server()
    store: Store = Store()
    queue: Queue = Queue()
    data: Data = Data()
    github: GitHub = GitHub()
    labels: Labels = Labels()
    git: Git = Git()
    sandbox: Sandbox = Sandbox()
    agents: dict[str, Agent] = {}
    limits: Limits = Limits()
    repositories: Repositories = Repositories()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_named: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first; `init_settings` is what the file says."""
        return _Environment(settings_cls), init_settings

    @property
    def store_url(self) -> str:
        return self.store.url.get_secret_value() or f"sqlite:///{self.data.path.absolute()}/ledger.sqlite3"

    @property
    def secrets(self) -> list[str]:
        """What must never be shown: credentials, the passwords in URLs included."""
        whole = [self.github.token, *self.github.webhook_secrets, self.server.operator_token]
        passwords = [urlsplit(url.get_secret_value()).password for url in (self.store.url, self.queue.url)]
        return [text for text in [*(secret.get_secret_value() for secret in whole), *passwords] if text]

    def address(self, port: int | None = None) -> str:
        """Where people reach this bot, without a slash at the end; `port` where another one was taken."""
        host = f"[{self.server.host}]" if ":" in self.server.host else self.server.host
        return self.server.public_url.rstrip("/") or f"http://{host}:{port or self.server.port}"


class _Environment(EnvSettingsSource):
    """The environment, where `..._FILE` names a file that holds the value."""

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        for section, given in values.items():
            for key in [key for key in given if key.endswith("_file")] if isinstance(given, dict) else ():
                name = f"{_PREFIX}{section}__{key}".upper()
                given[key.removesuffix("_file")] = _content(name, given.pop(key))
        return values


def load(path: Path | None = None) -> Settings:
    """Read the file given, else the first that is there: the working folder's, then /etc/forgehand's.

    The process's environment beats the file. Raises BadSettings.
    """
    found = path or next((p for p in (Path(NAME), Path("/etc/forgehand") / NAME) if p.is_file()), None)
    for name in os.environ:
        section, nested, _ = name.removeprefix(_PREFIX).partition("__")
        if name.startswith(_PREFIX) and nested and section.lower() not in Settings.model_fields:
            raise BadSettings(f"{name}: there is no section {section.lower()}.{_meant(section, Settings)}")
    try:
        return Settings(**(_read(found) if found else {}))
    except ValidationError as error:
        where = f"{found} or the environment" if found else "the environment"
        raise BadSettings(f"In {where}: {_sentence(error.errors(include_input=False)[0])}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise BadSettings(f"{path} cannot be read: {error.strerror}. Name another with --config.") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise BadSettings(f"{path} is no TOML file: {error}.") from None


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError) as error:
        raise BadSettings(f"{name} names {path}, which cannot be read: {error}.") from None


def _sentence(error: ErrorDetails) -> str:
    section, *keys = (str(part) for part in error["loc"])
    key = f"[{section}] {'.'.join(keys)}".strip()
    if error["type"] == "extra_forbidden":
        info = Settings.model_fields.get(section)
        known = (
            getattr(info.annotation, "model_fields", Agent.model_fields) if info else Settings.model_fields
        )
        return f"{key} is not a setting.{_meant(keys[-1] if keys else section, known)}"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{key} {message[0].lower()}{message[1:]}."


def _meant(word: str, known: Any) -> str:
    names = list(getattr(known, "model_fields", known))
    near = difflib.get_close_matches(word.lower(), names, n=1)
    return f" Did you mean {near[0]}?" if near else f" There are: {', '.join(names)}."

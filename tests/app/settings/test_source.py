"""The place of the ledger, read without the other settings."""

import os
from pathlib import Path

import pytest

from bot.app.settings.settings import load
from bot.app.settings.source import ledger_place
from bot.domain.errors import BadSettings

FILES = {
    "nothing": "",
    "path": '[data]\npath = "/srv/data"\n',
    "url": '[store]\nurl = "postgresql://bot@db/bot"\n',
    "both": '[data]\npath = "some where"\n[store]\nurl = "sqlite:////srv/ledger"\n',
}
VARIABLES = [
    {},
    {"FORGEHAND_DATA__PATH": "/srv/other"},
    {"forgehand_data__path": "/srv/lower"},
    {"FORGEHAND_DATA__PATH": ""},
    {"FORGEHAND_STORE__URL": "postgresql://bot:secret@db/other"},
    {"FORGEHAND_STORE__URL_FILE": "url"},
]


@pytest.mark.parametrize("variables", VARIABLES, ids=str)
@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_the_place_is_that_of_all_settings_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, variables: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("forgehand.toml").write_text(content)
    Path("url").write_text("postgresql://bot@db/from-a-file\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    place, settings = ledger_place(), load()

    assert (place.data, place.store_url) == (settings.data.path, settings.store_url)
    assert place == settings.ledger_place


def test_a_mistake_in_another_setting_does_not_hide_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("forgehand.toml").write_text('[data]\npath = "/srv/data"\n[server]\nport = "eighty"\n')

    assert ledger_place().data == Path("/srv/data")


@pytest.mark.parametrize("content", ["[data]\npath = 7\n", 'data = "/srv"\n', "[data\n"])
def test_a_place_that_cannot_be_read_is_an_error_that_names_the_file(tmp_path: Path, content: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(content)

    with pytest.raises(BadSettings, match=r"mine\.toml"):
        ledger_place(file)


@pytest.mark.parametrize(
    ("uid", "state", "expected"),
    [
        (0, "/srv/state", "/var/lib/forgehand"),
        (1000, "/srv/state", "/srv/state/forgehand"),
        (1000, "", "/home/ann/.local/state/forgehand"),
        (1000, "relative", "/home/ann/.local/state/forgehand"),
    ],
)
def test_the_usual_data_folder_is_that_of_the_machine_or_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, state: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", "/home/ann")

    assert load().data.path == ledger_place().data == Path(expected)


@pytest.mark.parametrize("file", ["ledger.sqlite3", "instance"])
def test_an_installation_with_its_data_in_the_working_folder_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("forgehand-data").mkdir()
    assert ledger_place().data != Path("forgehand-data")  # an empty folder is not an installation
    Path("forgehand-data", file).touch()

    assert load().data.path == ledger_place().data == Path("forgehand-data")

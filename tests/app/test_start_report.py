"""The report of a process that starts, and its warnings."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot import __version__
from bot.app.settings.settings import Settings, load
from bot.app.start_report import BotStart, warn


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings_of(text: str) -> Settings:
    Path("forgehand.toml").write_text(text)
    return load()


def warnings(text: str, public_url: str = "https://bot.example.org") -> str:
    """Return all warnings about these settings."""
    with capture_logs() as logged:
        warn(settings_of(text), public_url)
    assert {line["log_level"] for line in logged} <= {"warning"}
    return "\n".join(line["event"] for line in logged)


def test_the_lines_name_version_forges_agents_repositories_data_and_address() -> None:
    start = BotStart(
        forges={"github": "forge-bot", "gitlab": ""},
        agents=("claude", "demo"),
        allow=("acme",),
        data="/var/lib/forgehand",
        address="https://bot.example.org",
    )

    assert start.lines() == [
        f"Forgehand {__version__}",
        "  Forges        github as forge-bot, gitlab as (no answer)",
        "  Agents        claude, demo",
        "  Repositories  acme",
        "  Data folder   /var/lib/forgehand",
        "  Address       https://bot.example.org",
    ]


def test_an_empty_list_of_repositories_is_warned_of() -> None:
    assert "no repository may use the bot" in warnings("")
    assert warnings('[repositories]\nallow = ["acme"]\n') == ""


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("http://192.0.2.1:8080", False),
        ("https://bot.example.org", False),
    ],
)
def test_an_address_that_only_this_machine_reaches_is_warned_of(url: str, *, warned: bool) -> None:
    text = '[repositories]\nallow = ["acme"]\n'

    assert ("set [server] public_url" in warnings(text, url)) is warned


@pytest.mark.parametrize(
    ("content", "warned"), [("", True), ('[data]\npath = "forgehand-data"\n', False)], ids=["usual", "set"]
)
def test_data_in_the_working_folder_is_warned_of_unless_the_settings_name_it(
    content: str, *, warned: bool
) -> None:
    Path("forgehand-data").mkdir()
    Path("forgehand-data", "instance").touch()

    assert ("name it in the settings as [data] path" in warnings(content)) is warned

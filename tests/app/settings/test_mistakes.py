"""All mistakes in the settings are reported at once, each with its line or its variable."""

from pathlib import Path

import pytest

from bot.app.settings.settings import load
from bot.domain.errors import BadSettings

WRONG = """
[server]
port = "eighty"
public_url = "bot.example.org"
bdy_cap = 3

[repositories]
allow = ["acme", "https://github.com/acme/anvil.git"]

[sandbox]
memory = "lots"
pids = 0
allow_unlimited = "maybe"
tools_image = '''
port = 3
'''

[agents]
demo = { command = "x", cmd = "y" }

[labels]
run = "tidy"
[github]
token = ["private-value"]
[limits.repositories."acme/anvil"]
wal_limit = "1h"
"""
MISTAKES = """
FORGEHAND_GITUB__TOKEN: there is no section gitub. Did you mean github?
s.toml:3: [server] port must be a whole number from 0 to 65535, not "eighty".
s.toml:4: [server] public_url must be an address such as https://forge.example.org, without a user name or \
password.
s.toml:5: [server] bdy_cap is not a setting. Did you mean body_cap?
s.toml:24: [github] token must be text in quotes.
s.toml:22: [labels] run must be a table such as { tidy = "Tidy what this is about." }.
s.toml:11: [sandbox] memory must be a size such as "512m" or "4g".
FORGEHAND_SANDBOX__CPUS: [sandbox] cpus must be a number, at least 0, not "many".
s.toml:12: [sandbox] pids must be a whole number, at least 1, not 0.
s.toml:13: [sandbox] allow_unlimited must be true or false.
s.toml:19: [agents] demo.cmd is not a setting. Did you mean command?
s.toml:26: [limits] repositories.acme/anvil.wal_limit is not a setting. Did you mean wall_limit?
s.toml:8: [repositories] allow has the address "https://github.com/acme/anvil.git": write "acme/anvil".
"""


def reported(text: str) -> str:
    """Return the error for these settings."""
    Path("s.toml").write_text(text)
    with pytest.raises(BadSettings) as caught:
        load(Path("s.toml"))
    return str(caught.value)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_mistake_has_its_place_and_no_secret_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORGEHAND_GITUB__TOKEN", "private-value")
    monkeypatch.setenv("FORGEHAND_SANDBOX__CPUS", "many")

    error = reported(WRONG)

    first, *lines = error.split("\n")
    assert first == "The settings have 13 mistakes:"
    assert [line.removeprefix("  ") for line in lines] == MISTAKES.strip().split("\n")
    assert "private-value" not in error


def test_a_value_from_a_file_has_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("key").write_text("two words")
    monkeypatch.setenv("FORGEHAND_MODELS__ANTHROPIC__KEY_FILE", "key")

    assert reported("").startswith(
        "FORGEHAND_MODELS__ANTHROPIC__KEY_FILE: [models] anthropic.key must be ASCII"
    )


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere", "nowhere: no such file or directory."),
        (".", "is a directory."),
        ("bin", "bin, which is not a text"),
    ],
)
def test_an_unreadable_file_of_a_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, path: str, reason: str
) -> None:
    Path("bin").write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv("FORGEHAND_GITHUB__TOKEN_FILE", path)

    error = reported("")

    assert error.startswith("FORGEHAND_GITHUB__TOKEN_FILE names ")
    assert reason in error


@pytest.mark.parametrize("value", ['"a-password-of-many-letters"', '"\\u001b[31m"'])
def test_a_long_or_unprintable_value_is_not_repeated(value: str) -> None:
    assert reported(f"[server]\nport = {value}") == (
        "s.toml:2: [server] port must be a whole number from 0 to 65535."
    )

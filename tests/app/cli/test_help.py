"""The help of every command."""

from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from bot import __version__
from bot.app.cli.main import app


def _commands(command: Any, *path: str) -> list[tuple[str, ...]]:
    """Return the words of each command below this one, and of this one."""
    below = command.commands.items() if isinstance(command, TyperGroup) else ()
    return [path, *(words for name, each in below for words in _commands(each, *path, name))]


GROUPS = [(), ("images",), ("workspaces",)]
COMMANDS = _commands(typer.main.get_command(app))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_fits_80_columns_and_shows_no_types(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    with pytest.raises(SystemExit) as ended:
        app([*words, "--help"], prog_name="forgehand")

    output = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"Usage: {' '.join(['forgehand', *words])}" in output
    assert "--help" in output
    assert "-h " in output
    assert words in GROUPS or "Example" in output
    assert max(map(len, output.splitlines())) <= 80
    assert not any(kind in output for kind in ("<bool>", "<str>", "<int", "<path>", "{"))


@pytest.mark.parametrize("words", GROUPS)
def test_a_group_without_a_command_prints_its_help_and_succeeds(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(words, prog_name="forgehand")

    assert ended.value.code == 0
    assert "Usage:" in capsys.readouterr().out


def test_commands_are_in_groups_with_the_most_used_first(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app(["-h"], prog_name="forgehand")

    output = capsys.readouterr().out
    places = [output.index(text) for text in ("─ Run ─", "─ Look ─", "│ tasks ", "─ Operate ─", "│ up ")]
    assert places == sorted(places)


@pytest.mark.parametrize("words", [["--version"], ["version"]])
def test_the_version_is_printed_by_option_and_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(words, prog_name="forgehand")

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_each_shell_calls_this_program(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["--show-completion", shell], prog_name="forgehand")

    assert ended.value.code == 0
    assert "_FORGEHAND_COMPLETE=complete_" in capsys.readouterr().out

"""Reading the options of a command, which follow its word."""

import re
from collections.abc import Callable, Collection
from difflib import get_close_matches

from bot.domain.command import Options
from bot.domain.errors import NotUnderstood
from bot.text.markdown import is_plain
from bot.text.units import parse_duration

_FLAG = re.compile(r"[^\S\r\n]*--(?P<name>[^\s=]*)=?")
_VALUE = re.compile(
    r"""[^\S\r\n]*(?:"(?P<double>[^"\r\n]*)"|'(?P<single>[^'\r\n]*)'|(?P<bare>(?!--)[^\s"']\S*))(?=\s|\Z)"""
)


def split_options(rest: str, allowed: Collection[str]) -> tuple[Options, str]:
    """Split off the options, which follow the command word on its line, and return them and the text.

    `--` ends the options. Raises NotUnderstood if the command does not take an option, or on a bad value.
    """
    values: dict[str, str] = {}
    at = 0
    while flag := _FLAG.match(rest, at):
        at = flag.end()
        name = flag["name"]
        if not name:
            break
        if name not in allowed:
            raise NotUnderstood(_unknown_option(name, allowed))
        if name in _SWITCHES and not flag[0].endswith("="):
            values[name] = ""
            continue
        value = _VALUE.match(rest, at)
        if value is None:
            raise NotUnderstood(
                f"`--{name}` needs a value: `--{name} <value>`, right after the command word."
            )
        at = value.end()
        values[name] = next(text for text in value.groups() if text is not None)
    return _options(values), rest[at:].strip()


def _options(values: dict[str, str]) -> Options:
    fields = {name: _READ[name](value) for name, value in values.items()}
    return Options(**fields)  # type: ignore[arg-type]  # _READ gives each field its own type


def _unknown_option(name: str, allowed: Collection[str]) -> str:
    option = f"`--{name}`" if is_plain(name) else "That option"
    if not allowed:
        return f"{option} is not understood: this command takes no options."
    near = get_close_matches(name, allowed, n=1)
    hint = f"Did you mean `--{near[0]}`?" if near else f"The command takes {_list(allowed)}."
    return (
        f"{option} is not an option of this command. {hint} Write `--` before a text that begins with dashes."
    )


def _list(names: Collection[str]) -> str:
    return ", ".join(f"`--{name}`" for name in sorted(names))


def _timeout(value: str) -> int:
    try:
        return parse_duration(value, needs_unit=True)
    except ValueError:
        raise NotUnderstood(
            "`--timeout` must be a number with a unit, such as `90s`, `30m`, `2h` or `1d`."
        ) from None


def _pr(value: str) -> str:
    if value not in {"draft", "ready", "link", "none"}:
        raise NotUnderstood("`--pr` must be one of `draft`, `ready`, `link`, `none`.")
    return value


def _here(value: str) -> bool:
    if value:
        raise NotUnderstood("`--here` takes no value.")
    return True


def branch_name(value: str) -> str:
    """Check the name of a branch by git's own rules (git-check-ref-format). Raises NotUnderstood."""
    wrong = r"[\x00-\x20\x7f~^:?*\[\\`]|\.\.|@\{|//|^[-/]|^@$|[/.]$|(?:^|/)\.|\.lock(?:/|$)"
    if not value or len(value) > 200 or re.search(wrong, value):
        raise NotUnderstood("`--base` must be the name of a branch.")
    return value.removeprefix("refs/heads/")


def model_name(value: str) -> str:
    """Check the name of a model, which becomes one word of a command line. Raises NotUnderstood."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.:/@+\[\]-]{0,99}", value, re.ASCII):
        raise NotUnderstood("`--model` must be the name of a model, such as `opus` or `provider/name-1`.")
    return value


def _plain(value: str) -> str:
    return value


_SWITCHES = frozenset({"here"})  # options without a value
_READ: dict[str, Callable[[str], str | int]] = {
    "agent": _plain,
    "model": model_name,
    "base": branch_name,
    "here": _here,
    "timeout": _timeout,
    "pr": _pr,
    "task": _plain,
}

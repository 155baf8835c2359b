"""Reading the options of a command, which follow its word."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches

from bot.domain.command import Options
from bot.domain.errors import NotUnderstood
from bot.text.blanks import BLANK
from bot.text.markdown import is_plain
from bot.text.units import parse_duration

# Phones write one long dash for two hyphens, and typographic quotation marks.
_LONG = r"\u2010-\u2015\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d"
_DASHES = rf"{_LONG}-"
_FLAG = re.compile(rf"(?:{BLANK}|[\r\n])*(?P<dashes>[{_DASHES}]+)(?P<name>[^\s=]*)=?")
_DOUBLE, _SINGLE = r"\u201c-\u201f\u00ab\u00bb", r"\u2018-\u201b\u2039\u203a"
_OPENING = rf"""(?:{BLANK}|[`*_\\"'({_DOUBLE}{_SINGLE}])*"""  # at the start of a line, as before code
_WITHIN_TEXT = re.compile(rf"(?:(?<={BLANK})|^{_OPENING})[{_DASHES}]+(?P<name>[a-z]+)(?![\w{_DASHES}])")
_VALUE = re.compile(
    rf"""{BLANK}*(?:"(?P<double>[^"\r\n]*)"|'(?P<single>[^'\r\n]*)'"""
    rf"|[{_DOUBLE}](?P<curved_double>[^{_DOUBLE}\r\n]*)[{_DOUBLE}]"
    rf"|[{_SINGLE}](?P<curved_single>[^{_SINGLE}\r\n]*)[{_SINGLE}]"
    rf"""|(?P<bare>(?!--|-?[{_LONG}])[^\s"'{_DOUBLE}{_SINGLE}]\S*))(?=\s|\Z)"""
)
_NEAR = 0.8  # similarity of a misspelt option, if the line could also be text


@dataclass(frozen=True, slots=True)
class _Scan:
    """The options before a text. `text_at`: its start. `is_ended`: dashes without a name end them."""

    values: dict[str, str]
    text_at: int
    is_ended: bool = False


def split_options(rest: str, allowed: Collection[str]) -> tuple[Options, str]:
    """Split off the options between the command word and its text, and return them and the text.

    They may also stand on the lines after the command word. `--` on its line ends them. Raises
    NotUnderstood if the command does not take an option, or on a bad value.
    """
    scan = _scan(rest, allowed)
    return _options(scan.values), rest[scan.text_at :].strip()


def unread_options(rest: str, allowed: Collection[str]) -> list[str]:
    """Return the names of options within the text, which `split_options` does not read.

    They are searched on the first line of the text, and at the start of the others. After `--`, every word
    is text on purpose. Raises NotUnderstood, as `split_options`.
    """
    scan = _scan(rest, allowed)
    if scan.is_ended:
        return []
    first, *others = re.split(r"[\r\n]+", rest[scan.text_at :].strip())
    words = [*_WITHIN_TEXT.finditer(first), *filter(None, map(_WITHIN_TEXT.match, others))]
    return [*dict.fromkeys(word["name"] for word in words if word["name"] in _READ)]


def _scan(rest: str, allowed: Collection[str]) -> _Scan:
    values: dict[str, str] = {}
    at, line_end = 0, len(re.split(r"[\r\n]", rest, maxsplit=1)[0])
    while (flag := _FLAG.match(rest, at)) and _is_option(
        flag, allowed, on_command_line=flag.end() <= line_end
    ):
        at = flag.end()
        name = flag["name"]
        if not name:
            _check_end(flag, rest[at:], allowed)
            return _Scan(values, at, is_ended=True)
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
    return _Scan(values, at)


def _is_option(flag: re.Match[str], allowed: Collection[str], *, on_command_line: bool) -> bool:
    """Report whether dashes begin an option or end the options; if not, they are text.

    On the command's line, dashes before a word are never text. On the lines after it, they may be a sign
    of a list or a signature. Raises NotUnderstood if they are meant as an option, but are none.
    """
    name, is_hyphen = flag["name"], flag["dashes"] == "-"
    if not name:
        return on_command_line and not is_hyphen
    if name in allowed and not is_hyphen:
        return True
    if on_command_line:
        is_meant = name[0].isalpha() or not is_hyphen
    else:
        is_meant = name in allowed if is_hyphen else bool(get_close_matches(name, allowed, 1, _NEAR))
    if is_meant:
        raise NotUnderstood(_unknown_option(flag["dashes"], name, allowed))
    return False


def _check_end(flag: re.Match[str], text: str, allowed: Collection[str]) -> None:
    """Refuse a long dash apart from the name of an option, which phones make of `--base` too."""
    name = (text.split(maxsplit=1) or [""])[0].partition("=")[0]
    if flag["dashes"] != "--" and name in allowed:
        raise NotUnderstood(
            f"Is `{name}` an option here? Write it without a space, `--{name}`, or write `--` before a text."
        )


def _options(values: dict[str, str]) -> Options:
    fields = {name: _READ[name](value) for name, value in values.items()}
    return Options(**fields)  # type: ignore[arg-type]  # _READ gives each field its own type


def _unknown_option(dashes: str, name: str, allowed: Collection[str]) -> str:
    written = "-" if dashes == "-" else "--"
    option = f"`{written}{name}`" if is_plain(name) else "That option"
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

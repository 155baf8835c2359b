"""All mistakes in the settings at once, each with its place: a line of the file, or a variable."""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.app.settings.source import PREFIX
from bot.domain.errors import BadSettings

Keys = tuple[str, ...]  # names of a section, of its keys, and of keys in those

_HEADER = re.compile(r"\s*\[{1,2}\s*(?P<name>[^\]]+?)\s*\]{1,2}\s*(?:#.*)?")
_KEY = re.compile(r"""\s*(?P<name>(?:[\w.-]|"[^"]*"|'[^']*')+)\s*=""")
_TEXTS = {  # by the type of pydantic's error
    "missing": "is missing",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "list_type": 'must be a list such as ["one", "two"]',
    "string_type": "must be text in quotes",
    "path_type": "must be a path in quotes",
    "too_short": "must not be empty",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}
_NUMBERS = {"greater_than_equal", "less_than_equal", "finite_number"}
_LONGEST = 20  # characters of a value that is repeated


def refuse(settings: type[BaseModel], file: Path | None, error: ValidationError | None) -> None:
    """Raise BadSettings with every mistake, one on a line; return if there is none."""
    mistakes = [*_unknown_sections(settings)]
    if error is not None:
        place = _places(file)
        mistakes += [f"{place(_keys(each))}: {_sentence(settings, each)}" for each in error.errors()]
    if len(mistakes) == 1:
        raise BadSettings(mistakes[0])
    if mistakes:
        listed = "\n".join(f"  {mistake}" for mistake in mistakes)
        raise BadSettings(f"The settings have {len(mistakes)} mistakes:\n{listed}")


def _unknown_sections(settings: type[BaseModel]) -> Iterator[str]:
    """Yield a sentence for each variable of the environment whose section does not exist."""
    for name in sorted(os.environ):
        section, nested, _ = name.removeprefix(PREFIX).partition("__")
        if name.startswith(PREFIX) and nested and section.lower() not in settings.model_fields:
            yield f"{name}: there is no section {section.lower()}.{_meant(section, settings)}"


def _keys(error: ErrorDetails) -> Keys:
    return tuple(str(part) for part in error["loc"])


def _places(file: Path | None) -> Callable[[Keys], str]:
    """Return a function from keys to the place of their value: the variable, or else file and line."""
    variables = {name.upper(): name for name in os.environ}
    lines = _lines(file) if file else {}

    def place(keys: Keys) -> str:
        for length in range(len(keys), 0, -1):
            name = f"{PREFIX}{'__'.join(keys[:length])}".upper()
            if found := variables.get(name) or variables.get(f"{name}_FILE"):
                return found
            if line := lines.get(keys[:length]):
                return f"{file}:{line}"
        return str(file or "the environment")

    return place


def _lines(file: Path) -> dict[Keys, int]:
    """Return the line of each section and key. The parser of TOML does not report them."""
    lines: dict[Keys, int] = {}
    table: Keys = ()
    for number, text in enumerate(file.read_text().splitlines(), start=1):
        if header := _HEADER.fullmatch(text):
            table = _names(header["name"])
            lines.setdefault(table, number)
        elif key := _KEY.match(text):
            lines.setdefault((*table, *_names(key["name"])), number)
    return lines


def _names(dotted: str) -> Keys:
    """Split a dotted key of TOML, parts of which may be quoted; () if it is none."""
    try:
        value: Any = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:  # a line of a longer text that looks like a key
        return ()
    names = []
    while isinstance(value, dict):
        [(name, value)] = value.items()
        names.append(name)
    return tuple(names)


def _sentence(settings: type[BaseModel], error: ErrorDetails) -> str:
    section, *keys = _keys(error)
    key = f"[{section}] {'.'.join(keys)}".strip()
    known = _known(settings, error["loc"][:-1])
    if error["type"] == "extra_forbidden":
        return f"{key} is not a setting.{_meant(keys[-1] if keys else section, known)}"
    if error["type"] in _NUMBERS or error["type"].startswith(("int_", "float_")):
        return f"{key} must be {_number(known, str(error['loc'][-1]))}{_but(error['input'])}."
    text = _TEXTS.get(error["type"]) or error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{key} {text[0].lower()}{text[1:]}."


def _number(section: Any, key: str) -> str:
    """Describe the numbers that a key may have."""
    field = getattr(section, "model_fields", {}).get(key)
    kinds = _kinds(field.annotation) if field else []
    constraints = [each for kind in kinds for each in getattr(kind, "__metadata__", ())]
    limits = dict(_limits([*(field.metadata if field else ()), *constraints]))
    is_whole = not any(getattr(kind, "__origin__", kind) is float for kind in kinds)
    noun = "a whole number" if is_whole else "a number"
    if {"ge", "le"} <= limits.keys():
        return f"{noun} from {limits['ge']} to {limits['le']}"
    return f"{noun}, at least {limits['ge']}" if "ge" in limits else noun


def _kinds(annotation: Any) -> Sequence[Any]:
    """Return the types of a union, or the type itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]


def _limits(constraints: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the limits among the constraints of a field; pydantic may keep several together."""
    for constraint in constraints:
        for each in getattr(constraint, "metadata", [constraint]):
            yield from ((name, getattr(each, name)) for name in ("ge", "le") if hasattr(each, name))


def _but(value: object) -> str:
    """Repeat a short value of a setting that has a number: no secret belongs there."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return f", not {text}" if len(text) <= _LONGEST and text.isprintable() else ""


def _known(settings: type[BaseModel], place: Sequence[int | str]) -> Any:
    """Return the section type whose keys may stand in this place."""
    kind: Any = settings
    for part in place:
        kind = get_args(kind)[1] if get_origin(kind) is dict else kind.model_fields[part].annotation
        if isinstance(kind, UnionType):  # with None
            kind = get_args(kind)[0]
    return kind


def _meant(word: str, known: Any) -> str:
    names = list(getattr(known, "model_fields", known))
    near = difflib.get_close_matches(word.lower(), names, n=1)
    return f" Did you mean {near[0]}?" if near else f" Use one of: {', '.join(names)}."

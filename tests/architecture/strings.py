"""Strings that reach a thread, a page, a terminal, a log or an agent, found in the syntax of the sources."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.architecture.tree import OURS, Tree, is_left_out, is_template, python, within

KINDS = ("comment", "page", "terminal", "log", "error", "setting", "prompt", "docstring")

# The kind of a string if no call determines it: that of the first pattern that matches its path.
_BY_PATH = (
    ("page", r"bot/web/"),
    ("setting", r"bot/app/settings/|bot/(\w+/)?(settings|sections)\.py$"),
    ("terminal", r"bot/(app|cli|checks|worker|opening)"),
    ("prompt", r"(prompt|briefing|triggers|start_point)\.py$"),
    ("error", r"bot/gateway/"),
    ("comment", r""),
)
_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
_PRINTED = {"echo", "confirm", "Typer", "Option", "Argument", "add_argument", "ArgumentParser"}
_NOT_PROSE = {"compile", "fullmatch", "match", "search", "sub", "finditer", "findall", "text", "getLogger"}
_PROSE = re.compile(
    r"[^\W\d_]{2,}[`\"'*,;:.)]* [`\"'*(\[/]*[^\W\d_]{2,}|\{…\} [^\W\d_]{2,}|[^\W\d_]{2,} \{…\}"
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_MARKUP = re.compile(r"\{#.*?#\}|\{%.*?%\}|<!--.*?-->|<(style|script)\b.*?</\1>|<[^>]*>", re.DOTALL)
_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_READ_ATTRIBUTE = re.compile(r'\b(?:title|alt|placeholder|aria-label|content)="([^"]+)"')


@dataclass(frozen=True)
class Text:
    """One string as its readers see it, with {…} in place of computed parts."""

    kind: str
    text: str
    path: str
    line: int
    function: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}: {self.function or '(module)'}: {self.text}"


def texts(tree: Tree, *folders: str) -> list[Text]:
    """List every such string of these folders, or of `bot` and `handlers` if none is given."""
    errors = _bot_errors(tree)
    found: list[Text] = []
    for path, syntax in python(tree, *folders):
        if not is_left_out(path):
            found += _Reader(path, errors).read(syntax, "")
    for path, source in tree.items():
        if is_template(path) and within(path, folders or OURS):
            found += _template(path, source)
    return found


def _bot_errors(tree: Tree) -> set[str]:
    """Return the names of BotError and of all that derive from it."""
    classes = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for _, syntax in python(tree)
        for node in ast.walk(syntax)
        if isinstance(node, ast.ClassDef)
    }
    errors, size = {"BotError"}, 0
    while size != len(errors):
        size = len(errors)
        errors |= {name for name, bases in classes.items() if bases & errors}
    return errors


class _Reader:
    """A walk through one module that knows the function and the call around each string."""

    def __init__(self, path: str, errors: set[str]) -> None:
        self._path = path
        self._errors = errors
        self._kind = next(kind for kind, pattern in _BY_PATH if re.search(pattern, path))

    def read(self, node: ast.AST, function: str, kind: str = "") -> Iterator[Text]:
        """Yield the strings below a node. `kind` is that of the call around it; "" outside of one."""
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from self._definition(node, function)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from self._call(node.exc, function, "setting" if self._kind == "setting" else "error")
        elif isinstance(node, ast.Call):
            yield from self._call(node, function, _kind_of_call(node, self._errors) or kind)
        elif isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        ):
            yield from self._string(node, function, kind)
        else:
            for child in ast.iter_child_nodes(node):
                yield from self.read(child, function, kind)

    def _definition(
        self, node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, function: str
    ) -> Iterator[Text]:
        name = function if isinstance(node, ast.Module) else f"{function}.{node.name}".lstrip(".")
        docstring = ast.get_docstring(node, clean=True)
        if docstring is not None:
            kind = "terminal" if _is_shown_as_help(node) else "docstring"
            yield Text(kind, " ".join(docstring.split()), self._path, node.body[0].lineno, name)
        for child in ast.iter_child_nodes(node):
            if docstring is None or child is not node.body[0]:
                yield from self.read(child, name)

    def _call(self, node: ast.Call, function: str, kind: str) -> Iterator[Text]:
        name = _called(node)
        if name in _NOT_PROSE:
            return
        for at, child in enumerate([*node.args, *(each.value for each in node.keywords)]):
            if isinstance(child, ast.Constant | ast.JoinedStr) and kind == "log" and at == 0:
                yield from self._string(child, function, kind, whole=True)
            elif isinstance(child, ast.Constant | ast.JoinedStr) and kind in ("error", "setting"):
                yield from self._string(child, function, kind, whole=at == 0)
            else:
                yield from self.read(child, function, "" if kind == "log" else kind)
        yield from self.read(node.func, function)

    def _string(
        self, node: ast.Constant | ast.JoinedStr, function: str, kind: str, *, whole: bool = False
    ) -> Iterator[Text]:
        """Yield a string if it is prose; any string if `whole`. Then those inside its computed parts."""
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        joined = "".join(str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in parts)
        made = Text(kind or self._kind, joined, self._path, node.lineno, function)
        if isinstance(node, ast.JoinedStr) or isinstance(node.value, str):
            yield from _prose(made, whole=whole)
        for part in parts:
            if isinstance(part, ast.FormattedValue):
                yield from self.read(part.value, function)


def _prose(made: Text, *, whole: bool) -> Iterator[Text]:
    is_markup = made.kind == "page" and _MARKUP.search(made.text) is not None
    pattern = _WORD if is_markup else _PROSE  # between tags even a single word is a text
    for piece in _MARKUP.sub("\n\n", made.text).split("\n\n") if is_markup else [made.text]:
        text = " ".join(piece.split())
        if text and (whole or pattern.search(text)):
            yield replace(made, text=text)


def _called(node: ast.Call) -> str:
    """Return the last part of the name that is called."""
    return getattr(node.func, "attr", "") or getattr(node.func, "id", "")


def _kind_of_call(node: ast.Call, errors: set[str]) -> str:
    name = _called(node)
    receiver = getattr(node.func, "value", None)
    logger = getattr(receiver, "attr", "") or getattr(receiver, "id", "")
    if (name in _LEVELS and logger.lower().lstrip("_") in ("log", "logger")) or name == "incident":
        return "log"
    if name in errors:
        return "error"
    if name in _PRINTED:
        return "terminal"
    return "setting" if name == "Field" else ""


def _is_shown_as_help(node: ast.AST) -> bool:
    """Return whether `--help` shows this docstring, because it belongs to a command of the command line."""
    calls = [each for each in getattr(node, "decorator_list", []) if isinstance(each, ast.Call)]
    return any(_called(call) in ("command", "callback") and not call.args for call in calls)


def _template(path: str, source: str) -> Iterator[Text]:
    source = _EXPRESSION.sub("{…}", source)
    for found in _READ_ATTRIBUTE.finditer(source):
        yield from _prose(Text("page", found[1], path, _line(source, found.start(1))), whole=False)
    start = 0
    for markup in [*_MARKUP.finditer(source), None]:
        end = markup.start() if markup else len(source)
        piece = source[start:end]
        line = _line(source, start + len(piece) - len(piece.lstrip()))
        text = " ".join(piece.split())
        if _WORD.search(text):
            yield Text("page", text, path, line)
        start = markup.end() if markup else end


def _line(source: str, at: int) -> int:
    return source.count("\n", 0, at) + 1

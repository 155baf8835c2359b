"""What others wrote, as parts of a prompt."""

from bot.domain.thread import ABOUT_LINES, LINES_COMMENT, Part, Thread
from bot.text.sanitize import fence

_HUNK = 40  # lines of a hunk that are shown, the last of them the one in question


def thread_part(thread: Thread, body: str, *, author: str, at: str) -> Part:
    """Title and text of the thread, by whoever opened it."""
    return Part(
        what="The thread this was asked on", text=f"{thread.title}\n\n{body}".strip(), author=author, at=at
    )


def lines_part(path: str, line: int | None, hunk: str) -> Part:
    """The lines of a change that an inline comment is about. `line` None: the whole file, or a line gone."""
    return Part(what=ABOUT_LINES, text=_lines(path, line, hunk))


def lines_comment(path: str, line: int | None, hunk: str, body: str, *, author: str, at: str) -> Part:
    """What somebody said about lines of a change, with these lines."""
    return Part(what=LINES_COMMENT, text=f"{_lines(path, line, hunk)}\n\n{body}", author=author, at=at)


def _lines(path: str, line: int | None, hunk: str) -> str:
    where = f"{path}, line {line}" if line is not None else path
    if not hunk:
        return where
    header, *rest = hunk.split("\n")
    code = "\n".join([header, *rest[-_HUNK:]])
    return f"{where}\n{fence(code)}diff\n{code}\n{fence(code)}"

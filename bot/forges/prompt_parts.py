"""Constructors for the parts of a prompt that a forge delivers."""

from bot.domain.thread import DiffExcerpt, Part, PartKind, Thread

_HUNK = 40  # lines of a hunk that are shown; the comment is about the last of them


def thread_part(thread: Thread, body: str, *, author: str, at: str) -> Part:
    """Return the title and text of a thread, which `author` opened."""
    return Part(kind=PartKind.THREAD, text=f"{thread.title}\n\n{body}".strip(), author=author, at=at)


def lines_part(path: str, line: int | None, hunk: str) -> Part:
    """Return the lines of a change that a command in an inline comment is about."""
    return Part(kind=PartKind.LINES, text="", excerpt=_excerpt(path, line, hunk))


def lines_comment(path: str, line: int | None, hunk: str, body: str, *, author: str, at: str) -> Part:
    """Return a comment on lines of a change, with these lines."""
    excerpt = _excerpt(path, line, hunk)
    return Part(kind=PartKind.LINES_COMMENT, text=body, author=author, at=at, excerpt=excerpt)


def _excerpt(path: str, line: int | None, hunk: str) -> DiffExcerpt:
    header, *rest = hunk.split("\n")
    return DiffExcerpt(path=path, line=line, hunk="\n".join([header, *rest[-_HUNK:]]))

"""Threads. A repository is identified by the forge's numeric id; its path and URL follow renames.

Only the forge's answer to a request with that id counts as a rename. A payload does not, because everybody
with the webhook secret can sign any payload.
"""

from sqlalchemy import Connection, Row, func, select, update

from bot.domain.thread import Kind, Thread
from bot.store.ledger import insert_new
from bot.store.schema import runs, threads


def remember(tx: Connection, key: str, thread: Thread) -> None:
    """Insert the thread, or update its title.

    Its path and URL are used only if the repository is new: otherwise the known ones stay, which only
    `move` changes.
    """
    path, url = _known(tx, thread) or (thread.path, thread.repository_url)
    values = {
        "key": key,
        "forge": thread.forge,
        "repository_id": thread.repository_id,
        "repository_url": url,
        "path": path,
        "kind": thread.kind,
        "number": thread.number,
        "title": thread.title,
        "confidential": thread.confidential,
    }
    if tx.execute(insert_new(tx, threads).values(values)).rowcount == 0:
        tx.execute(
            update(threads)
            .where(threads.c.key == key)
            .values(title=thread.title, confidential=thread.confidential)
        )


def move(tx: Connection, forge: str, repository_id: int, *, path: str, url: str) -> None:
    """Record the path and URL that the forge reports for a repository, in its threads and queued runs."""
    same = (threads.c.forge == forge) & (threads.c.repository_id == repository_id)
    moved = (threads.c.path != path) | (threads.c.repository_url != url)
    tx.execute(update(threads).where(same, moved).values(path=path, repository_url=url))
    queued = (runs.c.forge == forge) & (runs.c.repository_id == repository_id) & (runs.c.state == "queued")
    tx.execute(update(runs).where(queued, runs.c.repository_url != url).values(repository_url=url))


def get(tx: Connection, key: str) -> Thread:
    """Return an existing thread."""
    return value(tx.execute(select(threads).where(threads.c.key == key)).one())


def is_located(tx: Connection, thread: Thread) -> bool:
    """Report whether the ledger knows the thread's repository, and under the path that the thread gives."""
    known = _known(tx, thread)
    return known is not None and known[0] == thread.path


def one_of_each_repository(tx: Connection) -> list[Thread]:
    """Return one thread of every repository of a forge from which a command has come."""
    newest = (
        select(func.max(threads.c.key))
        .where(threads.c.forge != "")  # not a thread of an operator's command
        .group_by(threads.c.forge, threads.c.repository_id)
    )
    rows = tx.execute(select(threads).where(threads.c.key.in_(newest)).order_by(threads.c.key))
    return [value(row) for row in rows]


def value(row: Row[tuple[object, ...]]) -> Thread:
    """Convert a row that has the columns of `threads`."""
    return Thread(
        forge=row.forge,
        repository_id=row.repository_id,
        repository_url=row.repository_url,
        path=row.path,
        kind=Kind(row.kind),
        number=row.number,
        title=row.title,
        confidential=row.confidential,
    )


def _known(tx: Connection, thread: Thread) -> tuple[str, str] | None:
    """Return path and URL of a known repository; None for a new one, or for one without a forge's id."""
    if not thread.forge:
        return None
    same = (threads.c.forge == thread.forge) & (threads.c.repository_id == thread.repository_id)
    row = tx.execute(select(threads.c.path, threads.c.repository_url).where(same).limit(1)).first()
    return (row.path, row.repository_url) if row else None

"""Threads as the ledger knows them: identity is the forge's numeric id, the rest follows renames.

A rename is the forge's own word, asked for by that id: whoever knows a webhook secret can sign any payload.
"""

from sqlalchemy import Connection, Row, func, select, update

from bot.domain.thread import Kind, Thread
from bot.store.ledger import insert_new
from bot.store.schema import runs, threads


def remember(tx: Connection, key: str, thread: Thread) -> None:
    """Insert the thread, or bring its title up to date.

    Where its repository lives is a first guess only: what is known is kept, and `move` alone changes it.
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
    """Record where a repository lives now, by the forge's own word: its threads and waiting runs follow."""
    same = (threads.c.forge == forge) & (threads.c.repository_id == repository_id)
    elsewhere = (threads.c.path != path) | (threads.c.repository_url != url)
    tx.execute(update(threads).where(same, elsewhere).values(path=path, repository_url=url))
    waiting = (runs.c.forge == forge) & (runs.c.repository_id == repository_id) & (runs.c.state == "queued")
    tx.execute(update(runs).where(waiting, runs.c.repository_url != url).values(repository_url=url))


def get(tx: Connection, key: str) -> Thread:
    return value(tx.execute(select(threads).where(threads.c.key == key)).one())


def is_located(tx: Connection, thread: Thread) -> bool:
    """Return True if the ledger knows the thread's repository, and under the path that the thread gives."""
    known = _known(tx, thread)
    return known is not None and known[0] == thread.path


def one_of_each_repository(tx: Connection) -> list[Thread]:
    """A thread of every repository of a forge in which a command was ever heard."""
    newest = (
        select(func.max(threads.c.key))
        .where(threads.c.forge != "")  # an operator's own word
        .group_by(threads.c.forge, threads.c.repository_id)
    )
    rows = tx.execute(select(threads).where(threads.c.key.in_(newest)).order_by(threads.c.key))
    return [value(row) for row in rows]


def value(row: Row[tuple[object, ...]]) -> Thread:
    """The Thread in a row that has the columns of `threads`."""
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
    """Path and URL of the repository as the ledger has them; an operator's has no id to be known again by."""
    if not thread.forge:
        return None
    same = (threads.c.forge == thread.forge) & (threads.c.repository_id == thread.repository_id)
    row = tx.execute(select(threads.c.path, threads.c.repository_url).where(same).limit(1)).first()
    return (row.path, row.repository_url) if row else None

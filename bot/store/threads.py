"""Threads as the ledger knows them: identity is the forge's numeric id, the rest follows renames."""

from sqlalchemy import Connection, Row, func, select, update

from bot.model import Kind, Thread
from bot.store.ledger import insert_new
from bot.store.schema import runs, threads


def remember(tx: Connection, key: str, thread: Thread) -> None:
    """Insert the thread, or bring its title, path and URL up to date.

    A new path means the repository was renamed: all its threads and waiting runs follow.
    """
    values = {
        "key": key,
        "forge": thread.forge,
        "repository_id": thread.repository_id,
        "repository_url": thread.repository_url,
        "path": thread.path,
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
    if thread.forge:  # the operator's repositories have no id to be known again by
        move(tx, thread.forge, thread.repository_id, path=thread.path, url=thread.repository_url)


def move(tx: Connection, forge: str, repository_id: int, *, path: str, url: str) -> None:
    """Record where a repository lives now."""
    same = (threads.c.forge == forge) & (threads.c.repository_id == repository_id)
    elsewhere = (threads.c.path != path) | (threads.c.repository_url != url)
    tx.execute(update(threads).where(same, elsewhere).values(path=path, repository_url=url))
    waiting = (runs.c.forge == forge) & (runs.c.repository_id == repository_id) & (runs.c.state == "queued")
    tx.execute(update(runs).where(waiting, runs.c.repository_url != url).values(repository_url=url))


def get(tx: Connection, key: str) -> Thread:
    return value(tx.execute(select(threads).where(threads.c.key == key)).one())


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

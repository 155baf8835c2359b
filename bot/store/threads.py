"""Threads. A repository is identified by the forge's numeric id; its path and URL follow renames.

Only the forge's answer to a request with that id counts as a rename. A payload does not, because everybody
with the webhook secret can sign any payload.

Deliveries and answers may be handled in another order than they were made. So everything that changes has
the time of its newest information, and older information changes nothing.
"""

from sqlalchemy import Connection, Row, func, select, update

from bot.domain.thread import Kind, Thread
from bot.store.ledger import clock, insert_new
from bot.store.schema import runs, threads


def remember(tx: Connection, key: str, thread: Thread, as_of: float) -> None:
    """Insert the thread, or update its title and confidentiality if no newer information is known.

    `as_of` is the time of the information, in seconds since the epoch. Older information may only make the
    thread confidential. Path and URL are used only if the repository is new: see `move`.
    """
    as_of = min(as_of, clock(tx))  # a time in the future, which anybody can sign, would end all updates
    if _insert(tx, key, thread, as_of):
        return
    this = threads.c.key == key
    newest = {"title": thread.title, "confidential": thread.confidential, "described_at": as_of}
    done = tx.execute(update(threads).where(this, threads.c.described_at <= as_of).values(newest))
    if thread.confidential and not done.rowcount:
        tx.execute(update(threads).where(this).values(confidential=True))


def add(tx: Connection, key: str, thread: Thread) -> None:
    """Insert the thread if it is new. Path and URL are used only if its repository is new, too."""
    _insert(tx, key, thread, described_at=0.0)


def _insert(tx: Connection, key: str, thread: Thread, described_at: float) -> bool:
    path, url, located_at = _known(tx, thread) or (thread.path, thread.repository_url, 0.0)
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
        "described_at": described_at,
        "located_at": located_at,
    }
    return tx.execute(insert_new(tx, threads).values(values)).rowcount == 1


def move(tx: Connection, forge: str, repository_id: int, *, path: str, url: str, as_of: float) -> None:
    """Record the path and URL that the forge reports for a repository, in its threads and queued runs.

    `as_of` is a time by the ledger's clock before the forge was asked. Nothing changes if the known address
    is from a later question.
    """
    same = (threads.c.forge == forge) & (threads.c.repository_id == repository_id)
    moved = (threads.c.path != path) | (threads.c.repository_url != url)
    newer = select(threads.c.key).where(same, threads.c.located_at > as_of).limit(1)
    if tx.execute(newer).first():
        return
    if tx.execute(select(threads.c.key).where(same, moved).limit(1)).first():
        # All of its threads, so that all have the time of the move.
        tx.execute(update(threads).where(same).values(path=path, repository_url=url, located_at=as_of))
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


def _known(tx: Connection, thread: Thread) -> tuple[str, str, float] | None:
    """Return path, URL and their time of a known repository; None if it is new or has no forge's id."""
    if not thread.forge:
        return None
    same = (threads.c.forge == thread.forge) & (threads.c.repository_id == thread.repository_id)
    query = select(threads.c.path, threads.c.repository_url, threads.c.located_at)
    row = tx.execute(query.where(same).order_by(threads.c.located_at.desc()).limit(1)).first()
    return (row.path, row.repository_url, row.located_at) if row else None

"""What an agent printed: a bounded copy of the raw log, first and last part."""

from sqlalchemy import Connection, delete, func, insert, select

from bot.store.schema import log

HEAD = TAIL = 8 * 1024 * 1024  # bytes kept of the beginning and of the end
CHUNK = 256 * 1024  # bytes in one row at most


def append(tx: Connection, run_id: str, offset: int, data: bytes) -> None:
    """Add what was printed at this offset; what falls between first and last part is forgotten."""
    rows = [
        {"run": run_id, "offset": offset + at, "bytes": data[at : at + CHUNK]}
        for at in range(0, len(data), CHUNK)
    ]
    if rows:
        tx.execute(insert(log), rows)
    end = offset + len(data)
    if end > HEAD + TAIL:
        tx.execute(
            delete(log).where(log.c.run == run_id, log.c.offset >= HEAD, log.c.offset < end - TAIL - CHUNK)
        )


def size(tx: Connection, run_id: str) -> int:
    """Bytes printed so far, forgotten ones included."""
    ends = select(log.c.offset + func.length(log.c.bytes)).where(log.c.run == run_id)
    return int(tx.execute(ends.order_by(log.c.offset.desc()).limit(1)).scalar_one_or_none() or 0)


def read(tx: Connection, run_id: str, since: int, limit: int) -> list[tuple[int, bytes]]:
    """Chunks (offset, bytes) that reach past `since`, in order, `limit` bytes at most; [] at the end."""
    rows = tx.execute(
        select(log.c.offset, log.c.bytes)
        .where(
            log.c.run == run_id,
            log.c.offset > since - CHUNK,  # what the primary key can find
            log.c.offset + func.length(log.c.bytes) > since,
        )
        .order_by(log.c.offset)
        .limit(200)
    )
    found: list[tuple[int, bytes]] = []
    taken = 0
    for offset, data in rows:
        cut = max(0, since - offset)
        found.append((offset + cut, bytes(data[cut : cut + limit - taken])))
        taken += len(found[-1][1])
        if taken >= limit:
            break
    return found

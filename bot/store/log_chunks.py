"""A bounded copy of a run's raw log: the first and the last 8 MiB."""

from sqlalchemy import Connection, delete, func, insert, select

from bot.store.schema import log

HEAD = TAIL = 8 * 1024 * 1024  # bytes stored of the beginning and of the end
CHUNK = 256 * 1024  # maximum bytes in one row


def append(tx: Connection, run_id: str, offset: int, data: bytes) -> None:
    """Append output at this offset, in bytes; delete chunks between the first and the last part."""
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
    """Return the number of bytes printed so far, including the deleted ones."""
    ends = select(log.c.offset + func.length(log.c.bytes)).where(log.c.run == run_id)
    return int(tx.execute(ends.order_by(log.c.offset.desc()).limit(1)).scalar_one_or_none() or 0)


def read(tx: Connection, run_id: str, since: int, limit: int) -> list[tuple[int, bytes]]:
    """Return chunks (offset, bytes) from offset `since` on, at most `limit` bytes; [] at the end.

    There is a gap between two chunks if the part between them was deleted.
    """
    rows = tx.execute(
        select(log.c.offset, log.c.bytes)
        .where(
            log.c.run == run_id,
            log.c.offset > since - CHUNK,  # so that the primary key is used
            log.c.offset + func.length(log.c.bytes) > since,
        )
        .order_by(log.c.offset)
        .limit(200)
    )
    chunks: list[tuple[int, bytes]] = []
    size = 0
    for offset, data in rows:
        cut = max(0, since - offset)
        chunks.append((offset + cut, bytes(data[cut : cut + limit - size])))
        size += len(chunks[-1][1])
        if size >= limit:
            break
    return chunks

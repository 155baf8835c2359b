"""The log: bytes as they were printed, first and last part, read from any offset."""

import pytest
from sqlalchemy import func, select

from bot.store import log_chunks
from bot.store.ledger import Ledger
from bot.store.log_chunks import CHUNK, HEAD, TAIL
from bot.store.schema import log as table
from tests.support.rows import add_run

MIB = 1024 * 1024


@pytest.fixture
def run(ledger: Ledger) -> str:
    with ledger.write() as tx:
        return add_run(tx).id


def test_output_is_read_back_from_any_offset(ledger: Ledger, run: str) -> None:
    with ledger.write() as tx:
        log_chunks.append(tx, run, 0, b"one\n\x00\xff")
        log_chunks.append(tx, run, 6, b"two\n")

        assert log_chunks.read(tx, run, 0, 100) == [(0, b"one\n\x00\xff"), (6, b"two\n")]
        assert log_chunks.read(tx, run, 3, 100) == [(3, b"\n\x00\xff"), (6, b"two\n")]
        assert log_chunks.read(tx, run, 6, 100) == [(6, b"two\n")]
        assert log_chunks.read(tx, run, 10, 100) == []
        assert log_chunks.size(tx, run) == 10


def test_a_read_returns_no_more_than_the_limit(ledger: Ledger, run: str) -> None:
    with ledger.write() as tx:
        log_chunks.append(tx, run, 0, b"abc")
        log_chunks.append(tx, run, 3, b"def")

        assert log_chunks.read(tx, run, 0, 3) == [(0, b"abc")]
        assert log_chunks.read(tx, run, 1, 4) == [(1, b"bc"), (3, b"de")]


def test_an_empty_log_has_size_zero(ledger: Ledger, run: str) -> None:
    with ledger.write() as tx:
        log_chunks.append(tx, run, 0, b"")

        assert log_chunks.size(tx, run) == 0
        assert log_chunks.read(tx, run, 0, 100) == []


def test_runs_do_not_share_a_log(ledger: Ledger, run: str) -> None:
    with ledger.write() as tx:
        other = add_run(tx).id
        log_chunks.append(tx, run, 0, b"one")
        log_chunks.append(tx, other, 0, b"two")

        assert log_chunks.read(tx, other, 0, 100) == [(0, b"two")]


def test_much_output_at_once_is_stored_in_rows_of_bounded_size(ledger: Ledger, run: str) -> None:
    data = b"x" * (2 * CHUNK + 1)
    with ledger.write() as tx:
        log_chunks.append(tx, run, 0, data)

        assert [len(part) for _, part in log_chunks.read(tx, run, 0, 10 * CHUNK)] == [CHUNK, CHUNK, 1]
        assert log_chunks.size(tx, run) == len(data)


def test_the_first_and_last_part_of_a_long_log_are_stored(ledger: Ledger, run: str) -> None:
    total = HEAD + TAIL + 4 * MIB
    with ledger.write() as tx:
        for offset in range(0, total, MIB):
            log_chunks.append(tx, run, offset, bytes([offset // MIB]) * MIB)

    with ledger.read() as tx:
        assert log_chunks.size(tx, run) == total
        assert log_chunks.read(tx, run, HEAD - 1, 1) == [(HEAD - 1, bytes([HEAD // MIB - 1]))]
        assert log_chunks.read(tx, run, total - TAIL, 1) == [(total - TAIL, bytes([(total - TAIL) // MIB]))]
        kept = tx.execute(select(func.sum(func.length(table.c.bytes)))).scalar_one()
        assert HEAD + TAIL <= kept <= HEAD + TAIL + 2 * CHUNK
        ((after_the_gap, _),) = log_chunks.read(tx, run, HEAD + MIB, 1)
        assert total - TAIL - CHUNK <= after_the_gap <= total - TAIL

"""What the operator's commands show of the ledger, read in this process."""

from bot.cli_show import Log
from bot.store import log
from bot.store.ledger import Ledger
from tests.fill import add_run, add_task

SECRET = "s3cret-of-the-operator"


def _printed(ledger: Ledger, pieces: dict[int, bytes]) -> Log:
    with ledger.write() as tx:
        run = add_run(tx, add_task(tx)).id
        for offset, data in pieces.items():
            log.append(tx, run, offset, data)
    return Log(ledger, run, [SECRET])


def test_what_stands_on_both_sides_of_what_was_left_out_is_no_line(ledger: Ledger) -> None:
    begin, end = f"first\nit is {SECRET[:15]}".encode(), f"{SECRET[16:]}\nlast\nunended".encode()
    shown = _printed(ledger, {0: begin, 1000: end[:3], 1003: end[3:]})

    lines = list(shown.lines(last=True))

    assert lines == ["first", f"... {1000 - len(begin)} bytes left out ...", "last", "unended"]


def test_a_line_is_shown_once_it_has_ended_or_nothing_follows(ledger: Ledger) -> None:
    shown = _printed(ledger, {0: b"one\ntw", 6: b"o\nthree"})

    assert list(shown.lines(last=False)) == ["one", "two"]
    assert list(shown.lines(last=True)) == ["three"]
    assert list(shown.lines(last=True)) == []

"""What the operator's commands show of the ledger, read in this process."""

from pathlib import Path

import pytest

from bot.app.cli.tasks import LogFollower, logs
from bot.app.settings.load import Settings
from bot.app.settings.sections import AgentSettings, DataSettings
from bot.store import claims, leases, log_chunks
from bot.store.ledger import Ledger, open_ledger
from tests.support.claude_stand_in import recorded
from tests.support.rows import a_worker, add_run, add_task, lease_of

SECRET = "s3cret-of-the-operator"


def _printed(ledger: Ledger, pieces: dict[int, bytes]) -> LogFollower:
    with ledger.write() as tx:
        run = add_run(tx, add_task(tx)).id
        for offset, data in pieces.items():
            log_chunks.append(tx, run, offset, data)
    return LogFollower(ledger, run, [SECRET])


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


def test_the_log_is_words_and_raw_where_that_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data=DataSettings(path=tmp_path), agents={"claude": AgentSettings(kind="claude")})
    printed = b"\n".join(recorded("good"))
    ledger = open_ledger(settings.store_url)
    with ledger.write() as tx:
        run = add_run(tx)
        leases.write(tx, lease_of(claims.claim(tx, a_worker(), run.id)), agent="claude")
        log_chunks.append(tx, run.id, 0, printed)
    ledger.close()

    logs(settings, run.task, follow=False, raw=False)
    words = capsys.readouterr().out.splitlines()
    logs(settings, run.task, follow=False, raw=True)
    raw = capsys.readouterr().out.splitlines()

    assert "> Bash ls -la && cat README.md" in words
    assert not any(line.startswith("{") for line in words)
    assert len(raw) == len(printed.splitlines())
    assert all(line.startswith("{") for line in raw)

"""The patch of a run is in the ledger after the run, with any outcome."""

import os
import threading
import time

import pytest

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs import patch
from bot.runs.execute import execute
from bot.runs.leased_run import LeasedRun, Stopped
from bot.runs.patch import save_patch
from bot.store import patches
from bot.store.patches import Patch
from tests.support.worker_bench import Workshop, until


def newest_patch(shop: Workshop, run: Run) -> Patch | None:
    with shop.runtime.ledger.read() as tx:
        return patches.newest(tx, run.task)


def text(shop: Workshop, run: Run) -> str:
    found = newest_patch(shop, run)
    assert found is not None
    return found.text.decode(errors="replace")


def test_the_patch_of_a_pushed_run_has_its_commits_and_uncommitted_files(shop: Workshop) -> None:
    run = shop.done("echo 1 > x; git add x; git commit -qm x; echo 2 > y")

    assert run.outcome is Outcome.PUSHED
    assert text(shop, run).startswith(" 2 files changed, 2 insertions(+)\n\ndiff --git a/x b/x\n")
    made = newest_patch(shop, run)
    assert made is not None
    assert made.commits == 2


def test_the_patch_of_a_failed_run_has_its_commits_and_uncommitted_files(shop: Workshop) -> None:
    run = shop.done("echo 1 > x; git add x; git commit -qm x; echo 2 > y; exit 3")

    assert run.outcome is Outcome.AGENT_FAILED
    assert text(shop, run).startswith(" 2 files changed, 2 insertions(+)\n")


def test_the_patch_of_a_run_without_changes_is_empty(shop: Workshop) -> None:
    run = shop.done("true")

    assert newest_patch(shop, run) == Patch(1, b"", 0)


def test_there_is_no_patch_if_the_export_failed(shop: Workshop) -> None:
    run = shop.done("mkfifo pipe; rm -rf .git; echo gone > .git")

    assert run.outcome is Outcome.EXPORT_REFUSED
    assert newest_patch(shop, run) is None


def test_a_long_patch_is_stored_as_whole_lines_with_its_full_size(shop: Workshop) -> None:
    run = shop.done("seq -w 200000 > x")

    found = newest_patch(shop, run)

    assert found is not None
    assert not found.is_whole
    assert 512 * 1024 - 16 < len(found.text) <= 512 * 1024
    assert found.text.endswith(b"\n")
    assert 1_600_000 < found.size < 1_700_000


def test_a_patch_has_no_secret(shop: Workshop) -> None:
    secret = shop.runtime.secrets[0]
    run = shop.done(f"echo key={secret} > x; printf '\\377\\n' > y")

    assert "\n+key=[redacted]\n" in text(shop, run)


def test_a_worker_that_takes_over_saves_the_patch(shop: Workshop) -> None:
    run = shop.claimed()
    with shop.busy(shop.agent("echo 1 > x"), run) as stopping:
        until(lambda: shop.now(run).phase is Phase.EXPORT)
        stopping.set()
    again, runtime = shop.taken_over("next")
    execute(runtime, again, threading.Event())

    assert shop.now(run).outcome is Outcome.PUSHED
    assert "b/x" in text(shop, run)


def test_a_patch_that_hangs_delays_neither_a_cancel_nor_a_stop(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch, "_CANCEL_WAITS", 0.5)
    run = shop.done("echo 1 > x")
    quarantine = shop.runtime.quarantine(run.task)
    configuration = quarantine / "config"
    configuration.unlink()
    os.mkfifo(configuration)  # git reads it first
    leased = LeasedRun(shop.runtime, run, shop.task(run), threading.Event())

    leased.cancelled.set()
    began = time.monotonic()
    save_patch(leased)
    assert time.monotonic() - began < 30
    leased.stopping.set()
    with pytest.raises(Stopped):
        save_patch(leased)

    assert text(shop, run).startswith(" 1 file changed")  # the patch that was stored when the run ended

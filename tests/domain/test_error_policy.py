"""The remedies for known errors, and the rules for retries."""

import errno
from itertools import count, takewhile

import pytest
from structlog.testing import capture_logs

from bot.domain import error_policy, errors
from bot.domain.error_policy import REMEDIES, Backoff, Remedy, is_report_over, remedy, report_remedy
from bot.domain.errors import (
    BotError,
    DiskFull,
    EngineUnavailable,
    ForgeGone,
    ForgeUnavailable,
    GitFailed,
    LeaseLost,
    LedgerUnavailable,
    RemoteMissing,
)
from bot.git.remote import remote_failure
from bot.reports import incidents

OURS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BotError)]


@pytest.mark.parametrize("kind", [kind for kind in OURS if kind is not BotError])
def test_every_error_of_the_bot_is_in_the_table_of_remedies(kind: type[BotError]) -> None:
    assert kind in REMEDIES


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (EngineUnavailable("away"), Remedy.RETRY),
        (LedgerUnavailable("server closed the connection"), Remedy.RETRY),
        (RemoteMissing("gone"), Remedy.TELL_USER),
        (LeaseLost("taken"), Remedy.ABANDON),
        (KeyError("a bug"), Remedy.INCIDENT),
        (OSError(errno.EIO, "a disk that breaks"), Remedy.INCIDENT),
    ],
)
def test_an_error_has_the_expected_remedy(error: Exception, expected: Remedy) -> None:
    assert remedy(error) is expected


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_the_error_of_a_full_disk_or_an_exceeded_quota_is_recognized(number: int) -> None:
    error = error_policy.domain_error(OSError(number, "No space left on device"))

    assert isinstance(error, DiskFull)
    assert remedy(error) is Remedy.TELL_USER


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("error: file write error: No space left on device\nfatal: unable to write", DiskFull),
        ("fatal: sha1 file 'x' write error. Out of diskspace\nfatal: write: Disk quota exceeded", DiskFull),
        ("remote: fatal: write error: No space left on device\nerror: remote unpack failed", GitFailed),
    ],
)
def test_a_full_disk_here_is_distinguished_from_a_full_disk_of_the_remote(
    said: str, expected: type[BotError]
) -> None:
    assert type(remote_failure(said, "https://code.example.org/acme/anvil", {})) is expected


def test_an_incident_is_logged_under_the_number_in_its_text() -> None:
    with capture_logs() as logged:
        number = incidents.incident("run broke", KeyError("a bug"), run="t1-1")

    assert [(line["event"], line["incident"], line["run"]) for line in logged] == [
        ("run broke", number, "t1-1")
    ]
    assert f"`{number}`" in incidents.incident_text(number)


def test_a_backoff_repeats_its_last_pause_and_ends_after_its_tries() -> None:
    backoff = Backoff(pauses=(1.0, 2.0), tries=4)

    assert [backoff.pause(failures) for failures in (1, 2, 3, 10**9)] == [1.0, 2.0, 2.0, 2.0]
    assert [backoff.is_exhausted(failures) for failures in (1, 3, 4)] == [False, False, True]
    assert not Backoff(pauses=(1.0,)).is_exhausted(10**9)


@pytest.mark.parametrize(
    ("backoff", "minutes"), [(error_policy.PHASE, 0.63), (error_policy.PHASE_WITHOUT_ENGINE, 10.05)]
)
def test_a_phase_is_retried_for_the_expected_time(backoff: Backoff, minutes: float) -> None:
    failures = takewhile(lambda number: not backoff.is_exhausted(number), count(1))

    assert sum(map(backoff.pause, failures)) / 60 == pytest.approx(minutes, abs=0.01)


@pytest.mark.parametrize(
    ("error", "failures", "expected", "over"),
    [
        (ForgeUnavailable("away"), 10**6, Remedy.RETRY, False),
        (ForgeGone("locked"), 1, Remedy.TELL_USER, True),
        (KeyError("a bug"), 4, Remedy.INCIDENT, False),
        (KeyError("a bug"), 5, Remedy.INCIDENT, True),
        (LedgerUnavailable("away"), 9, Remedy.RETRY, False),
        (LedgerUnavailable("away"), 10, Remedy.INCIDENT, True),
    ],
)
def test_a_report_ends_after_a_definite_refusal_or_too_many_failures(
    error: Exception, failures: int, expected: Remedy, *, over: bool
) -> None:
    what = report_remedy(error, failures)

    assert (what, is_report_over(what, failures)) == (expected, over)

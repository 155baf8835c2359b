"""What is to be done about each error we know."""

import errno

import pytest
from structlog.testing import capture_logs

from bot.domain import error_policy, errors
from bot.domain.error_policy import REMEDIES, Remedy, remedy
from bot.domain.errors import (
    BotError,
    DiskFull,
    EngineUnavailable,
    GitFailed,
    LeaseLost,
    LedgerUnavailable,
    RemoteMissing,
)
from bot.git.remote import remote_failure
from bot.reports import incidents

OURS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BotError)]


@pytest.mark.parametrize("kind", [kind for kind in OURS if kind is not BotError])
def test_every_error_of_ours_is_in_the_table(kind: type[BotError]) -> None:
    assert kind in REMEDIES


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (EngineUnavailable("away"), Remedy.WAIT),
        (LedgerUnavailable("server closed the connection"), Remedy.WAIT),
        (RemoteMissing("gone"), Remedy.ACT),
        (LeaseLost("taken"), Remedy.LEAVE),
        (KeyError("a bug"), Remedy.LOOK),
        (OSError(errno.EIO, "a disk that breaks"), Remedy.LOOK),
    ],
)
def test_what_is_to_be_done(error: Exception, expected: Remedy) -> None:
    assert remedy(error) is expected


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_known_wherever_we_write(number: int) -> None:
    error = error_policy.known(OSError(number, "No space left on device"))

    assert isinstance(error, DiskFull)
    assert remedy(error) is Remedy.ACT


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("error: file write error: No space left on device\nfatal: unable to write", DiskFull),
        ("fatal: sha1 file 'x' write error. Out of diskspace\nfatal: write: Disk quota exceeded", DiskFull),
        ("remote: fatal: write error: No space left on device\nerror: remote unpack failed", GitFailed),
    ],
)
def test_a_full_disk_here_is_told_from_one_of_the_remote(said: str, expected: type[BotError]) -> None:
    assert type(remote_failure(said)) is expected


def test_what_is_ours_is_logged_under_the_number_that_is_told() -> None:
    with capture_logs() as logged:
        number = incidents.incident("run broke", KeyError("a bug"), run="t1-1")

    assert [(line["event"], line["incident"], line["run"]) for line in logged] == [
        ("run broke", number, "t1-1")
    ]
    assert f"`{number}`" in incidents.incident_text(number)

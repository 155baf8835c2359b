"""Log lines of the bot and of libraries: readable for operators, and without secrets."""

import base64
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from dramatiq.errors import ConnectionClosed

from bot.app.log import OutageFilter
from bot.app.queues import dependency_away
from bot.domain.errors import EngineUnavailable, LedgerUnavailable
from tests.journeys.forked_bot import fork_piped

pytestmark = pytest.mark.waits

LONG = 60.0  # seconds until a process must have ended
TOKEN = "s3cr3t+token/of~the_bot"

# In a process of its own, because logging is global and the test runner has set it up.
PROGRAM = """
import logging, structlog
from bot.app.processes import log
log.set_up(json={json}, secrets=[{token!r}])
ours = structlog.get_logger()
{lines}
"""


def logged(lines: str, *, json: bool = False) -> list[str]:
    program = PROGRAM.format(json=json, token=TOKEN, lines=lines)
    with fork_piped(["-c", program], folder=Path(), environment=dict(os.environ)) as process:
        output, errors = process.communicate(LONG)
    assert (process.returncode, output) == (0, ""), errors
    return errors.splitlines()


def test_a_line_is_a_fixed_phrase_and_keys() -> None:
    [line] = logged("ours.info('run ended', outcome='out_of_memory', exit_status=137, held=False)")

    timestamp, rest = line.split(" ", 1)
    assert timestamp.startswith("timestamp=20")
    assert timestamp.endswith("Z")
    assert rest == 'level=info event="run ended" outcome=out_of_memory exit_status=137 held=false'


def test_bound_values_are_on_every_line() -> None:
    lines = logged(
        "with structlog.contextvars.bound_contextvars(task='t1'):\n"
        "    ours.info('one'); logging.getLogger('x').warning('two')"
    )

    assert [line.endswith(" task=t1") for line in lines] == [True, True]


def test_libraries_log_in_the_same_form_and_without_details() -> None:
    lines = logged(
        "logging.getLogger('some.library').info('started on %s', 80)\n"
        "logging.getLogger('urllib3').info('a connection')\n"
        "logging.getLogger('any').debug('details')"
    )

    assert [line.split(" ", 1)[1] for line in lines] == ['level=info event="started on 80"']


def test_a_line_can_be_json() -> None:
    [line] = logged("ours.warning('nudge failed', delivery='d-1')", json=True)

    said = json.loads(line)
    assert (said["event"], said["level"], said["delivery"]) == ("nudge failed", "warning", "d-1")


def test_no_secret_is_logged_in_any_place_or_form() -> None:
    basic = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    lines = logged(
        f"token, basic = {TOKEN!r}, {basic!r}\n"
        "ours.info(f'in the event {token}', url=f'https://x:{token}@host', header={'Authorization': basic})\n"
        "logging.getLogger('git').warning('pushing with %s', token)\n"
        "try:\n"
        "    raise ValueError(token)\n"
        "except ValueError:\n"
        "    ours.exception('failed')\n"
        "ours.info('unknown', value='ghp_' + 'a' * 36)"
    )

    everything = "\n".join(lines)
    core = base64.b64encode(TOKEN.encode()).decode().rstrip("=")[:-1]
    assert TOKEN not in everything
    assert core not in everything
    assert "ghp_" not in everything
    assert everything.count("[redacted]") == 6


def test_a_traceback_and_a_hostile_value_are_one_line_each() -> None:
    lines = logged(
        "try:\n    raise ValueError('a\\nb')\nexcept ValueError:\n    ours.exception('failed')\n"
        "ours.info('title', title='x\\r\\n\\x1b[2Jlevel=error event=forged')"
    )

    assert len(lines) == 2
    assert "Traceback" in lines[0]
    assert "\x1b" not in lines[1]


def test_an_outage_is_one_line_a_minute_for_each_dependency() -> None:
    lines = logged(
        "for _ in range(50):\n"
        "    for away in ('ledger', 'engine', 'forge', 'remote'):\n"
        "        ours.warning('sweep failed', away=away)\n"
        "        ours.info('delivery retry scheduled', away=away)\n"
        "    ours.info('command accepted', away='')"
    )

    assert [line.split(" ", 1)[1] for line in lines if "away" in line] == [
        f'level=warning event="sweep failed" away={name}' for name in ("ledger", "engine", "forge", "remote")
    ]
    assert [line.split(" ", 1)[1] for line in lines if "away" not in line] == [
        'level=info event="command accepted"'
    ] * 50


def test_the_next_line_of_an_outage_has_the_number_of_those_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    outages = OutageFilter(lambda _: "")

    def passed(seconds: float) -> list[Any]:
        """Log a line each half second, and return the lines that pass."""
        nonlocal now
        lines = []
        for _ in range(int(seconds * 2)):
            record = logging.LogRecord(
                "x", logging.WARNING, "", 0, {"event": "e", "away": "ledger"}, (), None
            )
            if outages.filter(record):
                lines.append(record.msg)
            now += 0.5
        return lines

    assert [line.get("left_out") for line in passed(150)] == [None, 119, 119]
    now += 3600
    assert [line.get("left_out") for line in passed(61)] == [59, 119]


def test_consumers_without_redis_log_one_line_and_no_bug(tmp_path: Path) -> None:
    program = (
        "import time; from bot.app import log, queues\n"
        "log.set_up(json=False, secrets=[], dependency_away=queues.dependency_away)\n"
        "broker = queues.connect('redis://127.0.0.1:1/0', 'test')\n"
        "consumers = queues.start_consumers(broker, host='h1', runs=1)\n"
        "nudges = queues.nudges(broker)\n"
        "for _ in range(20): nudges.work(); time.sleep(0.1)\n"
        "[consumer.stop() for consumer in consumers]"
    )
    environment = {**os.environ, "dramatiq_restart_delay": "50"}
    with fork_piped(["-c", program], folder=tmp_path, environment=environment) as process:
        _, errors = process.communicate(LONG)

    assert process.returncode == 0, errors
    [line] = errors.splitlines()
    assert "away=queue" in line
    assert "does not answer" in line or "nudge not sent" in line


@pytest.mark.parametrize(
    ("error", "dependency"),
    [
        (redis.TimeoutError("Timeout reading from socket"), "queue"),
        (redis.ConnectionError("refused"), "queue"),
        (ConnectionClosed(redis.ConnectionError("gone")), "queue"),  # type: ignore[no-untyped-call]
        (LedgerUnavailable("OperationalError: gone"), "ledger"),
        (EngineUnavailable("The engine does not answer."), "engine"),
        (KeyError("a bug of ours"), ""),
    ],
)
def test_dramatiq_reports_an_outage_as_an_outage_and_a_bug_as_a_bug(
    error: Exception, dependency: str
) -> None:
    event = "Unhandled error during post_process_message(%s).  You've found a bug in Dramatiq."
    record = logging.LogRecord(
        "dramatiq.worker.WorkerThread", logging.ERROR, "", 0, event, ("m",), (type(error), error, None)
    )

    assert OutageFilter(dependency_away).filter(record)

    assert ("bug" in record.getMessage()) == (not dependency)
    assert record.getMessage() == (f"{dependency} does not answer" if dependency else event % "m")
    assert (record.exc_info is None) == bool(dependency)

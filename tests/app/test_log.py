"""Log lines of the bot and of libraries: readable for operators, and without secrets."""

import base64
import json
import os
from pathlib import Path

import pytest

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

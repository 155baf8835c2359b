"""The long-lived processes: refusals to start, their end, and the takeover by the next one."""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.journeys.forked_bot import Piped
from tests.support import http
from tests.support.cli_sandbox import LONG, Desk, at_a_desk
from tests.support.services import free_port
from tests.support.webhook_receiver import GITHUB, signature


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Set up a desk whose forge does not answer: no test here needs it."""
    with at_a_desk(tmp_path) as desk:
        desk.environment |= {
            "FORGEHAND_GITHUB__URL": f"http://127.0.0.1:{free_port()}/api/v3",
            "FORGEHAND_GITHUB__TOKEN": "a-token",
            "FORGEHAND_GITHUB__WEBHOOK_SECRETS": "0123456789abcdef",
        }
        yield desk


@contextmanager
def _running_bot(desk: Desk, verb: str = "up") -> Iterator[tuple[str, Piped]]:
    """Start the bot; yield the address that it printed, and the process."""
    with desk.start(verb, "--port", "0") as process:
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def _get(address: str, path: str) -> httpx.Response:
    return http.get(address + path)


def test_up_prints_its_address_and_exits_with_status_0_after_sigterm(desk: Desk) -> None:
    with _running_bot(desk) as (address, process):
        assert _get(address, "/readyz").text == "ready\n"
        [limit] = re.findall(r"Max core file size +(\S+)", Path(f"/proc/{process.pid}/limits").read_text())
        assert limit == "1"

        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=LONG)

    assert process.returncode == 0
    assert "reason=SIGTERM" in log


def test_only_forges_with_a_token_have_a_receiver(desk: Desk) -> None:
    gitlab = {"FORGEHAND_GITLAB__TOKEN": "a-token", "FORGEHAND_GITLAB__WEBHOOK_SECRETS": "0123456789abcdef"}
    closed = {"FORGEHAND_GITHUB__TOKEN": "", "FORGEHAND_GITHUB__WEBHOOK_SECRETS": ""}

    assert _receivers(desk) == {"github": 401, "gitlab": 404}
    desk.environment |= gitlab
    assert _receivers(desk) == {"github": 401, "gitlab": 401}
    desk.environment |= closed
    assert _receivers(desk) == {"github": 404, "gitlab": 401}


def _receivers(desk: Desk) -> dict[str, int]:
    """Return the status of each forge's receiver for a request without proof."""
    with _running_bot(desk) as (address, _):
        return {forge: _post(f"{address}/webhooks/{forge}") for forge in ("github", "gitlab")}


def _post(url: str) -> int:
    return http.post(url).status_code


def test_a_second_up_with_the_same_data_folder_is_refused(desk: Desk) -> None:
    with _running_bot(desk) as (_, process):
        _, errors = desk.call("up", "--port", "0", status=1)

        assert f"Another forgehand (process {process.pid}) already works on" in errors


def test_a_run_of_the_command_line_is_executed_by_the_running_bot(desk: Desk) -> None:
    with _running_bot(desk) as (_, process):
        output, _ = desk.call("run", str(desk.repository), "tidy the parser")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=LONG)

    assert output.strip() == desk.tasks()[0]["branch"]
    assert "run ended" in log


@pytest.mark.parametrize("how", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL])
def test_an_agent_outlives_its_worker_and_is_found_by_the_next_worker(
    desk: Desk, how: signal.Signals
) -> None:
    with desk.busy() as (process, task):
        process.send_signal(how)
        process.wait(LONG)
    before = desk.containers()

    with _running_bot(desk):
        desk.call("cancel", task)
        with desk.start("logs", task, "--follow") as followed:
            output, _ = followed.communicate(timeout=LONG)

    assert len(before) == 1
    assert output == "begun\n"
    assert (desk.tasks()[0]["run"], desk.tasks()[0]["outcome"]) == (1, "cancelled")


# The journeys have separate processes for worker and receiver; ordinary tests cover such a run with `up`.
@pytest.mark.long
def test_a_work_process_executes_runs_while_another_process_serves(desk: Desk, redis_url: str) -> None:
    desk.environment["FORGEHAND_QUEUE__URL"] = redis_url
    with _running_bot(desk, "serve") as (address, _), desk.start("work") as worker:
        assert _get(address, "/readyz").text == "ready\n"
        assert any('event="worker started"' in line for line in iter(worker.stderr.readline, ""))

        output, _ = desk.call("run", str(desk.repository), "tidy the parser", "--json")
        worker.send_signal(signal.SIGTERM)
        _, log = worker.communicate(timeout=LONG)

    assert json.loads(output)["outcome"] == "pushed"
    assert "run ended" in log


def test_a_receiver_takes_deliveries_without_redis_and_reports_it(desk: Desk) -> None:
    desk.environment["FORGEHAND_QUEUE__URL"] = f"redis://127.0.0.1:{free_port()}/0"
    body = b'{"zen": "Design for failure."}'
    with _running_bot(desk, "serve") as (address, process):
        headers = GITHUB.headers(body, proof=signature(body, "0123456789abcdef"))

        answer = http.post(f"{address}/webhooks/github", content=body, headers=headers)

        assert answer.status_code == 202
        assert _get(address, "/readyz").text == "not ready: redis\n"
        metrics = _get(address, "/metrics").text.splitlines()
        assert {"forgehand_redis_up 0.0", "forgehand_deliveries_unanswered 1.0"} <= set(metrics)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=LONG)
    assert log.count("redis does not answer: deliveries are recorded") == 1
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"FORGEHAND_GITHUB__TOKEN": ""}, "[github] token is empty"),
        ({"FORGEHAND_GITLAB__WEBHOOK_SECRETS": "0123456789abcdef"}, "[gitlab] token is empty"),
        (
            {"FORGEHAND_GITLAB__TOKEN": "a-token"},
            "[gitlab] signing_tokens and webhook_secrets are both empty",
        ),
        (
            {"FORGEHAND_GITLAB__TOKEN": "a-token", "FORGEHAND_GITLAB__SIGNING_TOKENS": "0123456789abcdef"},
            "[gitlab] signing_tokens has a token that is not `whsec_` and",
        ),
        ({"FORGEHAND_GITHUB__WEBHOOK_SECRETS": ""}, "[github] webhook_secrets is empty"),
        ({"FORGEHAND_GITHUB__WEBHOOK_SECRETS": "short"}, "less than 16 characters"),
        ({"FORGEHAND_SANDBOX__IMAGE": "forgehand-none"}, "forgehand-none"),
        ({"FORGEHAND_SANDBOX__ENGINE": "unix:///nowhere.sock"}, "engine"),
        ({"FORGEHAND_QUEUE__URL": "redis://127.0.0.1:1/0"}, "Redis at [queue] url does not answer"),
        ({"FORGEHAND_STORE__URL": "postgresql://nobody@127.0.0.1:1/x"}, "The ledger at [store] url"),
        ({"FORGEHAND_SERVER__HOST": "192.0.2.1"}, "Cannot listen on 192.0.2.1"),
    ],
)
def test_unusable_settings_are_refused_at_the_start(
    desk: Desk, changed: dict[str, str], sentence: str
) -> None:
    desk.environment |= changed

    _, errors = desk.call("up", "--port", "0", status=1)

    assert sentence in errors
    assert "Traceback" not in errors

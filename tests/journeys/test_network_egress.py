"""The gateway, the only exit of the sandbox: its limits, counts and tokens, and the effects of a restart."""

import json
import re
import subprocess
from collections.abc import Iterator
from signal import SIGKILL, SIGTERM
from threading import Event
from typing import Any

import pytest

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.domain.usage import Tokens
from tests.journeys.agents.talk import KEY, Talk
from tests.journeys.http_agents import ASKS_AGAIN, ASKS_ALL, LOOKS, TRIES, TUNNELS, WAITS, agent
from tests.journeys.test_adoption import container_of
from tests.journeys.world import IMAGE, World
from tests.support import http
from tests.support.derived_image import image_with
from tests.support.model_provider import Fails, ModelServer, answering
from tests.support.services import free_port
from tests.support.waiting import eventually


@pytest.fixture
def forge() -> str:
    """Use one forge: no forge is involved."""
    return "github"


@pytest.fixture
def talk(embedded: World) -> Iterator[Talk]:
    """Make a world with a model provider. The bot is not started."""
    with ModelServer.running() as models:
        embedded.settings["models"] = {"anthropic": {"url": models.url, "key": KEY, "models": ["claude-*"]}}
        yield Talk(embedded, models)


def output_of(talk: Talk, run: Run) -> dict[str, Any]:
    """Return the agent's output so far."""
    found: dict[str, Any] = {}
    for line in talk.world.printed(run).splitlines():
        found |= json.loads(line)
    return found


def refused(talk: Talk, run: Run) -> dict[tuple[str, str], int]:
    return {(each.target, each.reason): each.count for each in talk.refused(run)}


def page(talk: Talk, run: Run) -> str:
    """Fetch the task's page by the link in the comment."""
    [link] = re.findall(r"http://[^)\s]+/tasks/[^)\s]+", talk.world.final_comment(1, run))[:1]
    return http.get(link).text


def token_of(talk: Talk, run: Run) -> str:
    return str(eventually(lambda: output_of(talk, run).get("token")))


def give(talk: Talk, run: Run, word: str) -> None:
    """Write the file that the agent waits for."""
    (talk.world.data / "workspaces" / run.task / "home" / "given").write_text(word)


ONLY = {"FORGEHAND_" + name for name in ("TASK", "RUN", "AGENT", "BASE", "BRANCH", "GATEWAY", "TOKEN")} | {
    *("HOME", "PATH", "LANG", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
    *("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"),
    *("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"),
    *("HOSTNAME", "PWD", "OLDPWD", "SHLVL", "_"),  # set by the shell itself
}
MESSAGES = "POST /anthropic/v1/messages"
WRONG_TOKEN = (MESSAGES, "without this run's token")


def addresses(world: World) -> list[tuple[str, int]]:
    """List the addresses by which a sandbox could reach this host, and those of clouds' key services."""
    mine = subprocess.run(["hostname", "-I"], check=True, capture_output=True, text=True).stdout.split()
    hosts = ["127.0.0.1", *(each for each in mine if ":" not in each)]
    return [*((host, world.port) for host in hosts), ("169.254.169.254", 80), ("1.1.1.1", 443)]


def check_isolation(found: dict[str, Any], run: Run) -> None:
    """Check from inside that the sandbox has one token, one exit and no network."""
    assert set(found["environment"]) <= ONLY
    token = found["environment"]["FORGEHAND_TOKEN"]
    assert set(re.findall(r"FORGEHAND_TOKEN=(.*)", found["everyones"])) == {token}
    folders = {words[4]: (words[3], words[5].split(",")) for words in found["mounts"]}
    root, options = folders["/run/forgehand"]
    assert root.endswith(f"/gateway/{run.id}")
    assert "ro" in options
    assert "ro" in folders["/"][1]
    assert [each for each, _ in folders.values() if "/gateway/" in each] == [root]
    assert (found["interfaces"], found["routes"], found["listening"]) == (["lo:"], [], ["0100007F:2253"])
    assert found["sockets"] == ["/run/forgehand/gateway"]
    assert found["folder"] == ["gateway"]
    assert "Read-only file system" in found["writes"]
    assert found["reached"].pop("127.0.0.1") == "Connection refused"
    assert {found["dns"], *found["reached"].values()} == {"Network is unreachable"}


def test_the_gateway_is_the_only_exit_of_the_sandbox_and_refusals_are_counted_and_shown(talk: Talk) -> None:
    talk.world.start()
    talk.world.say(1, "/run " + agent(f"ADDRESSES = {addresses(talk.world)}{LOOKS}"))
    _task, run = talk.world.task_after_run(1)

    assert run.outcome is Outcome.PUSHED, talk.world.printed(run).decode()
    found = output_of(talk, run)
    check_isolation(found, run)
    asked = [found[name] for name in ("bare", "files", "get", "up", "nowhere", "other", "proxy", "right")]
    assert asked == [401, 403, 403, 403, 403, 403, 403, 200]
    assert refused(talk, run) == {
        WRONG_TOKEN: 1,
        ("POST /anthropic/v1/files", "not allowed"): 1,
        ("GET /anthropic/v1/messages", "not allowed"): 1,
        ("POST /anthropic/v1/messages/../files", "not allowed"): 1,
        ("POST /openai/v1/messages", "not allowed"): 1,
        (MESSAGES, "'other-1' is none of [models.anthropic] models"): 1,
        ("evil.example:443", "not allowed"): 1,
    }
    assert [each.key for each in talk.models.asked] == [KEY]
    assert talk.counted(run).requests == 1
    shown = page(talk, run)
    assert KEY not in shown
    for target, _reason in refused(talk, run):
        assert f"<li>{target}, once" in shown


@pytest.mark.long  # tests/gateway has quick tests of tokens
def test_the_gateway_refuses_the_tokens_of_another_run_and_of_an_earlier_run(talk: Talk) -> None:
    second = talk.world.playground.open_issue("Second")
    talk.world.start()
    for number in (1, second):
        talk.world.say(number, "/run " + agent(TRIES))
    both = [talk.world.until_running(on=number) for number in (1, second)]
    tokens = [token_of(talk, run) for run in both]
    for run, other in zip(both, reversed(tokens), strict=True):
        give(talk, run, other)
    ends = [talk.world.task_after_run(1, on=number)[1] for number in (1, second)]

    give(talk, both[0], tokens[0])
    talk.world.say(1, "/resume " + agent(TRIES))
    ends.append(talk.world.task_after_run(2, on=1)[1])

    assert [run.outcome for run in ends] == [Outcome.PUSHED] * 3, [run.reason for run in ends]
    for run in ends:
        found = output_of(talk, run)
        assert (found["with_other"], found["with_own"]) == (401, 200)
        assert refused(talk, run) == {WRONG_TOKEN: 1}
    assert len({output_of(talk, run)["token"] for run in ends}) == len(talk.models.asked) == 3
    assert list((talk.world.data / "gateway").iterdir()) == []


def test_a_restart_interrupts_answers_and_the_next_worker_opens_the_same_gateway(talk: Talk) -> None:
    models, world = talk.models, talk.world
    models.script = [
        answering("word " * 500, pause=0.2),
        answering("Never said.", hold=Event()),
        answering("Done."),
    ]
    world.start()
    world.say(1, "/run " + agent(ASKS_AGAIN))
    run = world.until_running()
    container = container_of(run)

    # the answer is still being sent
    eventually(lambda: talk.counted(run).tokens == Tokens(input=100, output=1))
    world.stop(SIGKILL)
    world.start()
    eventually(lambda: len(models.asked) == 2)  # the second answer is hardly counted yet
    world.stop(SIGTERM)
    assert container_of(run) == container  # the agent gets no answer now, so it cannot have ended
    world.start()

    task, ended = world.task_after_run(1)
    assert (ended.id, ended.outcome, len(world.runs(task))) == (run.id, Outcome.PUSHED, 1), ended.reason
    assert world.phases(run) == list(Phase)
    answers = [status for status, _ in output_of(talk, run)["answers"]]
    assert answers[-1] == 200
    # Two answers were interrupted. One more may have reached a closing gateway, which did not send it.
    assert answers[:-1] in ([0] * 2, [0] * 3)
    counted = talk.counted(run)
    assert counted.requests == len(models.asked) == 3
    assert counted.tokens == Tokens(input=100 + 100, output=1 + 20)


def test_failed_answers_of_providers_are_shown_on_the_page(talk: Talk) -> None:
    talk.world.settings["models"]["gone"] = {"url": f"http://127.0.0.1:{free_port()}", "key": KEY}
    talk.models.script = [
        answering("Half of it.", cut=True),
        Fails(529, "overloaded_error"),
        Fails(429, "rate_limit_error"),
        answering("Slow.", pause=0.1),
    ]
    talk.world.start()

    talk.world.say(1, "/run " + agent(ASKS_ALL))
    _task, run = talk.world.task_after_run(1)

    assert (run.outcome, run.exit_status) == (Outcome.AGENT_FAILED, 1)
    found = output_of(talk, run)
    assert found["gone"][0] == 502
    assert "gone cannot be reached" in found["gone"][1]
    assert [status for status, _ in found["answers"]] == [0, 529, 429, 200]
    shown = page(talk, run)
    for target, reason in [
        ("gone", "not reached: ConnectionRefusedError"),
        ("anthropic", "broke off its answer"),
        ("anthropic", "the provider answered 529"),
        ("anthropic", "the provider answered 429"),
    ]:
        assert refused(talk, run)[target, reason] == 1
        assert re.search(f"<li>{target}, once <span[^>]*>\\({reason}\\)", shown)


def test_a_network_set_allows_only_the_hosts_that_the_image_names(talk: Talk) -> None:
    npm = "#!/bin/sh\necho https://npm.example/"
    with image_with(IMAGE, "COPY npm /usr/local/bin/", {"npm": npm}) as image:
        talk.world.settings["sandbox"] |= {"image": image}
        talk.world.settings["network"] = {"sets": ["npm"]}
        talk.world.start()
        talk.world.say(1, "/run " + agent(TUNNELS))
        _task, run = talk.world.task_after_run(1)
        talk.world.stop()

    assert run.outcome is Outcome.PUSHED, talk.world.printed(run).decode()
    assert output_of(talk, run)["tunnels"] == {"npm.example:443": 502, "evil.example:443": 403}
    assert refused(talk, run) == {
        ("npm.example:443", "no address is known"): 1,
        ("evil.example:443", "not allowed"): 1,
    }


@pytest.mark.long
def test_an_agent_without_a_worker_gets_an_error_and_its_run_ends(talk: Talk) -> None:
    talk.world.start()
    talk.world.say(1, "/run " + agent(WAITS))
    run = talk.world.until_running()
    eventually(lambda: output_of(talk, run))

    talk.world.stop()
    give(talk, run, "now")
    eventually(lambda: not container_of(run)[1], seconds=90)  # the relay waits one minute
    talk.world.start()

    _task, ended = talk.world.task_after_run(1)
    assert (ended.id, ended.outcome) == (run.id, Outcome.AGENT_FAILED), ended.reason
    assert output_of(talk, run)["answer"] == [503, "Forgehand: the gateway is not there.\n"]
    assert talk.models.asked == []

"""The one way out of a sandbox: what is inside, what gets out, whose it is, and what a restart does to it.

The agent is a script that speaks HTTP to where its environment says. It prints
what it finds, a JSON object a line, so that a test can ask for it by name.
"""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from bot.gateway.counts import Counts
from bot.model import Outcome, Phase, Run
from bot.store import usage
from bot.store.usage import Tokens, Total
from tests.journeys.test_adoption import container_of
from tests.journeys.world import World, eventually, shell
from tests.model_server import Fails, ModelServer, says

KEY = "sk-ant-the-operators-own-key"

# `ask` returns a status and a body, or 0 and what went wrong.
_ASK = """
import base64, http.client, json, os, pathlib, socket, subprocess, sys, time
token, home = os.environ["FORGEHAND_TOKEN"], pathlib.Path.home()
def ask(method="POST", path="/anthropic/v1/messages", token=token, model="claude-x"):
    body = json.dumps({"model": model, "tools": [1], "stream": True})
    connection = http.client.HTTPConnection("127.0.0.1", 8787)
    try:
        connection.request(method, path, body, {"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return 0, type(error).__name__
def tell(**found):
    print(json.dumps(found), flush=True)
def wait():
    while not (home / "given").exists() or not (given := (home / "given").read_text()):
        time.sleep(0.05)
    return given
def work(name):
    pathlib.Path(name).write_text("done")
"""

_LOOKS = r"""
def shown(command):
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True).stdout
def reached(host, port, kind=socket.SOCK_STREAM):
    sock = socket.socket(socket.AF_INET, kind)
    sock.settimeout(2)
    try:
        return os.strerror(sock.connect_ex((host, port)))
    except OSError as error:
        return type(error).__name__
def proxy(target):
    login = base64.b64encode(f"forgehand:{token}".encode()).decode()
    head = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", f"Proxy-Authorization: Basic {login}", "", ""]
    sock = socket.create_connection(("127.0.0.1", 8787))
    sock.sendall("\r\n".join(head).encode())
    return int(sock.recv(100).split()[1])
tell(environment=dict(os.environ), everyones=shown("cat /proc/[0-9]*/environ | tr '\\0' '\\n'"))
tell(mounts=[line.split() for line in open("/proc/self/mountinfo")],
     interfaces=[line.split()[0] for line in list(open("/proc/net/dev"))[2:]],
     routes=list(open("/proc/net/route"))[1:],
     listening=[line.split()[1] for line in open("/proc/net/tcp") if line.split()[3] == "0A"],
     sockets=shown("find / -path /proc -prune -o -type s -print 2>/dev/null").split())
tell(folder=os.listdir("/run/forgehand"), writes=shown("touch /run/forgehand/x 2>&1 || true"))
tell(reached={host: reached(host, port) for host, port in ADDRESSES},
     dns=reached("1.1.1.1", 53, socket.SOCK_DGRAM))
tell(bare=ask(token="")[0], files=ask(path="/anthropic/v1/files")[0], get=ask("GET")[0],
     up=ask(path="/anthropic/v1/messages/../files")[0], nowhere=ask(path="/openai/v1/messages")[0],
     other=ask(model="other-1")[0], proxy=proxy("evil.example:443"), right=ask()[0])
work("looked")
"""

# Waits for a token that is not its own, and tries both.
_TRIES = """
tell(token=token)
tell(with_other=ask(token=wait())[0], with_own=ask()[0])
work(os.environ["FORGEHAND_RUN"])
"""

_ASKS_AGAIN = """
answers = []
while not answers or "message_stop" not in answers[-1][1]:
    answers.append(ask())
tell(answers=answers)
work("asked")
"""

_ASKS_ALL = """
tell(gone=ask(path="/gone/v1/messages"), answers=[ask() for _ in range(4)])
sys.exit(1)
"""

_WAITS = """
tell(begun=True)
wait()
status, words = ask()
tell(answer=[status, words])
sys.exit(status != 200)
"""


def agent(script: str) -> str:
    """The text of a command whose agent runs this Python."""
    return shell(f"python3 - <<'PY'\n{_ASK}{script}PY")


@dataclass(frozen=True, slots=True)
class Way:
    """A world whose sandboxes reach one provider."""

    world: World
    models: ModelServer

    def said(self, run: Run) -> dict[str, Any]:
        """What its agent has told so far."""
        found: dict[str, Any] = {}
        for line in self.world.printed(run).splitlines():
            found |= json.loads(line)
        return found

    def give(self, run: Run, word: str) -> None:
        """What its agent waits for."""
        (self.world.data / "workspaces" / run.task / "home" / "given").write_text(word)

    def until_counted(self, run: Run, tokens: Tokens) -> None:
        eventually(lambda: self.counted(run).tokens == tokens)

    def counted(self, run: Run) -> Total:
        with self.world.ledger.read() as tx:
            return Counts(run.id, usage.of_run(tx, run.id), ()).total()

    def refused(self, run: Run) -> dict[tuple[str, str], int]:
        with self.world.ledger.read() as tx:
            return {(each.target, each.reason): each.count for each in usage.refused(tx, run.id)}

    def page(self, run: Run) -> str:
        """Of its task, as it is served to who follows the link in the comment."""
        [link] = re.findall(r"http://[^)\s]+/tasks/[^)\s]+", self.world.final_comment(1, run))[:1]
        return httpx.get(link, trust_env=False).text


@pytest.fixture
def forge() -> str:
    """No forge hears of it."""
    return "github"


@pytest.fixture
def way(embedded: World) -> Iterator[Way]:
    """The bot is not yet started."""
    with ModelServer.running() as models:
        embedded.settings["models"] = {"anthropic": {"url": models.url, "key": KEY, "models": ["claude-*"]}}
        yield Way(embedded, models)


ONLY = {"FORGEHAND_" + name for name in ("TASK", "RUN", "AGENT", "BASE", "BRANCH", "GATEWAY", "TOKEN")} | {
    *("HOME", "PATH", "LANG", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
    *("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"),
    *("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"),
    *("HOSTNAME", "PWD", "OLDPWD", "SHLVL", "_"),  # a shell's own
}
MESSAGES = "POST /anthropic/v1/messages"
NOT_OURS = (MESSAGES, "without this run's token")


def addresses(world: World) -> list[tuple[str, int]]:
    """Where something of this host listens, from wherever it could be reached, and where clouds keep keys."""
    mine = subprocess.run(["hostname", "-I"], check=True, capture_output=True, text=True).stdout.split()
    hosts = ["127.0.0.1", *(each for each in mine if ":" not in each)]
    return [*((host, world.port) for host in hosts), ("169.254.169.254", 80), ("1.1.1.1", 443)]


def is_closed(said: dict[str, Any], run: Run) -> None:
    """What a sandbox finds in itself: one token, one door, no network."""
    assert set(said["environment"]) <= ONLY
    token = said["environment"]["FORGEHAND_TOKEN"]
    assert set(re.findall(r"\b[0-9a-f]{64}\b", said["everyones"])) == {token}
    folders = {words[4]: (words[3], words[5].split(",")) for words in said["mounts"]}
    root, options = folders["/run/forgehand"]
    assert root.endswith(f"/gateway/{run.id}")
    assert "ro" in options
    assert "ro" in folders["/"][1]
    assert [each for each, _ in folders.values() if "/gateway/" in each] == [root]
    assert (said["interfaces"], said["routes"], said["listening"]) == (["lo:"], [], ["0100007F:2253"])
    assert said["sockets"] == ["/run/forgehand/gateway"]
    assert said["folder"] == ["gateway"]
    assert "Read-only file system" in said["writes"]
    assert said["reached"].pop("127.0.0.1") == "Connection refused"
    assert {said["dns"], *said["reached"].values()} == {"Network is unreachable"}


def test_from_inside_there_is_one_door_and_what_it_keeps_in_is_counted_and_shown(way: Way) -> None:
    way.world.start()
    way.world.say(1, "/run " + agent(f"ADDRESSES = {addresses(way.world)}{_LOOKS}"))
    _task, run = way.world.task_after_run(1)

    assert run.outcome is Outcome.PUSHED, way.world.printed(run).decode()
    said = way.said(run)
    is_closed(said, run)
    asked = [said[name] for name in ("bare", "files", "get", "up", "nowhere", "other", "proxy", "right")]
    assert asked == [401, 403, 403, 403, 403, 403, 403, 200]
    assert way.refused(run) == {
        NOT_OURS: 1,
        ("POST /anthropic/v1/files", "not allowed"): 1,
        ("GET /anthropic/v1/messages", "not allowed"): 1,
        ("POST /anthropic/v1/messages/../files", "not allowed"): 1,
        ("POST /openai/v1/messages", "not allowed"): 1,
        (MESSAGES, "the model 'other-1' is not allowed"): 1,
        ("evil.example:443", "not allowed"): 1,
    }
    assert [each.key for each in way.models.asked] == [KEY]
    assert way.counted(run).requests == 1
    page = way.page(run)
    assert KEY not in page
    for target, _reason in way.refused(run):
        assert f"<li>{target}, once" in page


def test_the_token_of_another_run_opens_nothing_nor_does_that_of_a_run_before(way: Way) -> None:
    second = way.world.playground.open_issue("Second")
    way.world.start()
    for number in (1, second):
        way.world.say(number, "/run " + agent(_TRIES))
    both = [way.world.until_running(on=number) for number in (1, second)]
    tokens = [eventually(lambda run=run: way.said(run).get("token")) for run in both]
    for run, other in zip(both, reversed(tokens), strict=True):
        way.give(run, other)
    ends = [way.world.task_after_run(1, on=number)[1] for number in (1, second)]

    way.give(both[0], tokens[0])
    way.world.say(1, "/resume " + agent(_TRIES))
    ends.append(way.world.task_after_run(2, on=1)[1])

    assert [run.outcome for run in ends] == [Outcome.PUSHED] * 3, [run.reason for run in ends]
    for run in ends:
        said = way.said(run)
        assert (said["with_other"], said["with_own"]) == (401, 200)
        assert way.refused(run) == {NOT_OURS: 1}
    assert len({way.said(run)["token"] for run in ends}) == len(way.models.asked) == 3
    assert list((way.world.data / "gateway").iterdir()) == []


def test_restarts_break_answers_off_and_the_next_worker_opens_the_same_door(way: Way) -> None:
    long = says("word " * 500, pause=0.2)
    way.models.script = [long, long, says("Done.")]
    way.world.start()
    way.world.say(1, "/run " + agent(_ASKS_AGAIN))
    run = way.world.until_running()
    container = container_of(run)

    for begun, how in enumerate((signal.SIGKILL, signal.SIGTERM), 1):
        way.until_counted(run, Tokens(input=100 * begun, output=begun))
        way.world.stop(how)
        way.world.start()

    assert container_of(run) == container
    task, ended = way.world.task_after_run(1)
    assert (ended.id, ended.outcome, len(way.world.runs(task))) == (run.id, Outcome.PUSHED, 1), ended.reason
    assert way.world.phases(run) == list(Phase)
    answers = [status for status, _ in way.said(run)["answers"]]
    assert (answers[-1], len(answers)) == (200, 3)
    counted = way.counted(run)
    assert counted.requests == len(way.models.asked) == 3
    assert counted.tokens == Tokens(input=300, output=1 + 1 + 20)


def test_what_a_provider_did_not_give_is_on_the_page(way: Way) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    way.world.settings["models"]["gone"] = {"url": url, "key": KEY}
    way.models.script = [
        says("Half of it.", cut=True),
        Fails(529, "overloaded_error"),
        Fails(429, "rate_limit_error"),
        says("Slow.", pause=0.1),
    ]
    way.world.start()

    way.world.say(1, "/run " + agent(_ASKS_ALL))
    _task, run = way.world.task_after_run(1)

    assert (run.outcome, run.exit_status) == (Outcome.AGENT_FAILED, 1)
    said = way.said(run)
    assert said["gone"][0] == 502
    assert "gone cannot be reached" in said["gone"][1]
    assert [status for status, _ in said["answers"]] == [0, 529, 429, 200]
    page = way.page(run)
    for target, reason in [
        ("gone", "not reached: ConnectionRefusedError"),
        ("anthropic", "broke off its answer"),
        ("anthropic", "the provider answered 529"),
        ("anthropic", "the provider answered 429"),
    ]:
        assert way.refused(run)[target, reason] == 1
        assert re.search(f"<li>{target}, once <span[^>]*>\\({reason}\\)", page)


@pytest.mark.long
def test_an_agent_that_no_worker_comes_back_for_is_told_and_its_run_ends(way: Way) -> None:
    way.world.start()
    way.world.say(1, "/run " + agent(_WAITS))
    run = way.world.until_running()
    eventually(lambda: way.said(run))

    way.world.stop()
    way.give(run, "now")
    eventually(lambda: not container_of(run)[1], seconds=90)  # the relay's patience is a minute
    way.world.start()

    _task, ended = way.world.task_after_run(1)
    assert (ended.id, ended.outcome) == (run.id, Outcome.AGENT_FAILED), ended.reason
    assert way.said(run)["answer"] == [503, "Forgehand: the gateway is not there.\n"]
    assert way.models.asked == []

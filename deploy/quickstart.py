"""The main job on the playground forge, end to end, with every line read back from the forge and from git.

Called by deploy/quickstart once all is installed. It talks to the forge as a person
would, over its API, and to the bot not at all. Exit status 0: all of it was true.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
from git import Repo
from rich.console import Console
from rich.markup import escape

T = TypeVar("T")
PATIENCE = 120.0  # seconds one step may take
BASE = [sys.executable, "-m", "bot"]
out = Console(highlight=False, soft_wrap=True)


class NotTrue(Exception):
    """Something that should have happened did not."""


class Forge:
    """The playground as ann sees it."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.about = about
        self.path = about["repositories"][0]
        self._client = httpx.Client(
            base_url=f"{about['api']}/repos/{self.path}/",
            headers={"Authorization": f"token {about['tokens']['ann']}"},
            timeout=30,
            trust_env=False,
            verify=False,
        )

    def get(self, path: str) -> Any:
        return self._client.get(path).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._client.post(path, json=body).raise_for_status().json()

    def say(self, number: int, text: str) -> None:
        self.post(f"issues/{number}/comments", {"body": text})
        out.print(f"[bold]comment[/]       ann, under {self.path}#{number}: [cyan]{escape(text)}[/]")

    def final_comment(self, number: int, after: int) -> str:
        """The bot's comment at the end of run `after`."""

        def found() -> str | None:
            for comment in self.get(f"issues/{number}/comments?per_page=100"):
                body, who = comment["body"], comment["user"]["login"]
                if (
                    who == self.about["bot_name"]
                    and "<!-- forgehand:final:" in body
                    and f"-{after} -->" in body
                ):
                    return str(body)
            return None

        return until(f"a final comment of run {after}", found)

    def branch(self, name: str) -> list[str]:
        """Ids of the commits on the branch that main has not, oldest first, by git."""
        url = f"{self.about['git']}/{self.path}.git"
        folder = Path(self.about["folder"]) / "look.git"
        # Without a template, which may hold hooks of this machine.
        with Repo.init(folder, bare=True, template="", allow_unsafe_options=True) as repo:
            repo.git.update_environment(
                HOME="/nonexistent", GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=os.devnull
            )
            repo.git.fetch("-q", "--prune", url, "+refs/heads/*:refs/heads/*")
            return [commit.hexsha for commit in repo.iter_commits(f"main..{name}", reverse=True)]


def until(what: str, look: Callable[[], T | None]) -> T:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = look()
        if answer:
            return answer
        time.sleep(0.1)
    raise NotTrue(f"{what}: not within {PATIENCE:g} seconds")


def true(claim: object, words: str) -> None:
    if not claim:
        raise NotTrue(words)


def start(folder: Path, name: str, *args: str) -> "subprocess.Popen[bytes]":
    with (folder / f"{name}.log").open("wb") as errors:
        return subprocess.Popen([*BASE, name, *args], cwd=folder, stdout=subprocess.PIPE, stderr=errors)


def settings(about: dict[str, Any], folder: Path) -> Path:
    path = folder / "forgehand.toml"
    path.write_text(
        f"""# Made by deploy/quickstart, for the playground.
[server]
port = {about["bot_port"]}
[data]
path = {json.dumps(str(folder / "data"))}
[github]
url = {json.dumps(about["api"])}
token = {json.dumps(about["tokens"]["bot"])}
webhook_secrets = [{json.dumps(about["webhook_secret"])}]
bot_name = {json.dumps(about["bot_name"])}
[sandbox]
image = "forgehand-small"
tools_image = "forgehand-small"
memory = "512m"
[agents.demo]
command = ["forgehand-demo-agent"]
[repositories]
allow = ["acme"]
"""
    )
    path.chmod(0o600)
    return path


def first_run(forge: Forge, number: int) -> tuple[str, list[str]]:
    forge.say(number, "/run add a note on how the parser works")
    comment = forge.final_comment(number, 1)
    pulls = forge.get("pulls?state=open")
    true(len(pulls) == 1 and pulls[0]["draft"], "one draft pull request")
    pull = pulls[0]
    name, task = pull["head"]["ref"], pull["head"]["ref"].rsplit("-", 1)[-1]
    commits = forge.branch(name)
    true(commits and commits[-1] == pull["head"]["sha"], "the pull request's head is the branch's, by git")
    true(
        task in comment and name in comment and f"#{pull['number']}" in comment, "the comment names them all"
    )
    last = forge.get(f"commits/{commits[-1]}/statuses")[0]
    true((last["context"], last["state"]) == ("forgehand", "success"), "status success")
    out.print(f"[bold]task[/]          {task}, for {forge.about['url']}/{forge.path}")
    out.print(f"[bold]branch[/]        {name}")
    out.print(f"[bold]commit[/]        {commits[-1]}, status {last['state']}")
    out.print(f"[bold]pull request[/]  #{pull['number']} (draft) {pull['html_url']}")
    out.print(f"[bold]comment back[/]  {escape(comment.splitlines()[0])}")
    out.print(f"[bold]page[/]          {last['target_url']}")
    return name, commits


def failing_run(forge: Forge, number: int, name: str, commits: list[str]) -> None:
    forge.say(number, "/resume fail on purpose, half way")
    comment = forge.final_comment(number, 2)
    true("failed" in comment, "the second run failed, and the comment says so")
    true(forge.branch(name) == commits, "a failed run pushes nothing")
    out.print(
        f"[bold]failing run[/]   {escape(comment.splitlines()[0])} Nothing was pushed; the workspace is kept."
    )


def resumed_run(forge: Forge, number: int, name: str, commits: list[str]) -> None:
    forge.say(number, "/resume go on where you stopped")
    comment = forge.final_comment(number, 3)
    now = forge.branch(name)
    true(now[: len(commits)] == commits and len(now) > len(commits), "more commits on the same branch")
    true(len(forge.get("pulls?state=all")) == 1, "still one pull request")
    out.print(f"[bold]comment back[/]  {escape(comment.splitlines()[0])}")
    out.print(f"[bold]commit[/]        {now[-1]}, on the same branch, after {len(commits)} before it")


def drive(folder: Path, *, keep: bool) -> None:
    started = [playground := start(folder, "playground", "--data", str(folder / "forge"), "--json")]
    try:
        assert playground.stdout is not None
        about = {**json.loads(playground.stdout.readline()), "folder": str(folder), "bot_port": free_port()}
        config = settings(about, folder)
        started.append(start(folder, "up", "--config", str(config)))
        address = f"http://127.0.0.1:{about['bot_port']}"
        until("the bot's /readyz", lambda: ready(started[-1], address))
        forge = Forge(about)
        hook = {
            "url": f"{address}/webhooks/github",
            "secret": about["webhook_secret"],
            "content_type": "json",
        }
        forge.post("hooks", {"config": hook, "events": ["*"]})
        number = forge.post("issues", {"title": "Explain the parser", "body": "Nobody knows how it works."})[
            "number"
        ]
        name, commits = first_run(forge, number)
        failing_run(forge, number, name, commits)
        resumed_run(forge, number, name, commits)
        if keep:
            out.print(
                f"\nRunning until you press Ctrl-C. The forge: {about['url']}   Its tokens: {about['tokens']}"
            )
            signal.pause()
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(30)


def ready(process: "subprocess.Popen[bytes]", address: str) -> bool:
    if process.poll() is not None:
        raise NotTrue("the bot ended; its log stands in up.log")
    try:
        return httpx.get(f"{address}/readyz", trust_env=False, verify=False).is_success
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the playground and the bot keep their data")
    parser.add_argument("--keep", action="store_true", help="keep forge and bot running until Ctrl-C")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for end in (signal.SIGINT, signal.SIGTERM):  # forge and bot end with us, however we are ended
        signal.signal(end, signal.default_int_handler)
    try:
        drive(given.folder.resolve(), keep=given.keep)
    except NotTrue as error:
        out.print(f"[red]not true:[/] {error}\nThe logs stand in {given.folder}.")
        return 1
    except KeyboardInterrupt:
        out.print("Stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

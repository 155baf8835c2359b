"""Time of a complete run of an agent that makes one commit: from webhook to pushed branch.

The baseline is a shell script with `git clone --shared`, one hardened `docker run` and `git push`,
over the same HTTP. A person would write such a script by hand; it checks nothing and stores
nothing.

    python -m tests.bench.whole_run [rounds]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bot.store import runs
from bot.store.ledger import open_ledger
from tests.journeys.world import AGENT, IMAGE, World, shell, world
from tests.support.playground_github import Playground
from tests.support.waiting import eventually

CHANGE = shell("echo tidy >> parser.py; git add parser.py; git commit -qm tidy")
SCRIPT = """
set -e
git clone -q --shared "$MIRROR" "$DIR/clone"
chmod -R a+rwX "$DIR/clone"
docker run --rm -i --name "$NAME" --label forgehand=1 --network none --cap-drop ALL \
    --security-opt no-new-privileges --read-only --init --pids-limit 256 --memory 512m --memory-swap 512m \
    --tmpfs /tmp:exec,uid=10001,gid=10001 -v "$DIR/clone:/workspace" -v "$MIRROR:$MIRROR:ro" \
    -w /workspace --user 10001:10001 \
    -e GIT_AUTHOR_NAME=a -e GIT_AUTHOR_EMAIL=a@example.org -e GIT_COMMITTER_NAME=a \
    -e GIT_COMMITTER_EMAIL=a@example.org -e GIT_CONFIG_COUNT=1 -e GIT_CONFIG_KEY_0=safe.directory \
    -e GIT_CONFIG_VALUE_0='*' "$IMAGE" sh -c "$AGENT" <"$DIR/prompt"
cd "$DIR/clone"
git -c safe.directory='*' -c "http.extraHeader=$HEADER" push -q "$URL" "HEAD:refs/heads/$NAME"
"""


def ours(there: World, number: int) -> tuple[float, dict[str, float]]:
    """Return the seconds from the comment to the branch, and the seconds of each phase."""
    before = len(there.tasks())
    start = time.perf_counter()
    there.say(number, "/run " + CHANGE)

    def pushed() -> str | None:
        tasks = there.tasks()
        return tasks[0].id if len(tasks) > before and tasks[0].pushed_head else None

    task = eventually(pushed)
    seconds = time.perf_counter() - start
    there.task_after_run(1)
    with there.ledger.read() as tx:
        times = runs.phase_times(tx, f"{task}-1")
        run = runs.get(tx, f"{task}-1")
    phases = {phase.value: (end or begin) - begin for phase, begin, end in times}
    phases["before prepare"] = seconds - sum(phases.values())
    phases["queued"] = (run.started_at or 0) - run.created_at
    return seconds, phases


def floor(there: World, number: int, mirror: Path) -> float:
    """Return the seconds of the shell script."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "prompt").write_text(CHANGE)
        headers = f"Authorization: token {there.playground.token}"
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": name,
            "DIR": name,
            "MIRROR": str(mirror),
            "NAME": f"floor-{number}",
            "IMAGE": IMAGE,
            "AGENT": AGENT,
            "URL": there.playground.clone_url,
            "HEADER": headers,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        start = time.perf_counter()
        subprocess.run(["sh", "-c", SCRIPT], env=environment, check=True)
        return time.perf_counter() - start


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name, Playground(Path(name) / "forge") as playground:
        folder = Path(name)
        mirror = folder / "mirror.git"
        subprocess.run(["git", "clone", "-q", "--mirror", playground.clone_url, str(mirror)], check=True)
        store_url = f"sqlite:///{folder / 'data' / 'ledger.db'}"
        ledger = open_ledger(store_url)
        with world(folder, ledger=ledger, store_url=store_url, playground=playground) as there:
            there.start()
            whole: list[float] = []
            script: list[float] = []
            phases: dict[str, list[float]] = defaultdict(list)
            for number in range(rounds + 1):
                issue = playground.open_issue(f"Round {number}")
                seconds, parts = ours(there, issue)
                least = floor(there, number, mirror)
                if number == 0:  # the first run fills the caches on both sides
                    continue
                whole.append(seconds)
                script.append(least)
                for phase, took in parts.items():
                    phases[phase].append(took)
        ledger.close()
    show(whole, script, phases)


def show(whole: list[float], script: list[float], phases: dict[str, list[float]]) -> None:
    ratios = [ours / floor for ours, floor in zip(whole, script, strict=True)]
    table = Table(title=f"Webhook to branch, {len(whole)} rounds in turn (medians)")
    for column in ("what", "seconds", "share"):
        table.add_column(column, justify="right")
    middle = statistics.median(whole)
    table.add_row("shell script", f"{statistics.median(script):.3f}", "")
    table.add_row("forgehand", f"{middle:.3f}", "")
    for phase, took in phases.items():
        table.add_row(phase, f"{statistics.median(took):.3f}", f"{statistics.median(took) / middle:.0%}")
    table.add_row("ratio", f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}")
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)

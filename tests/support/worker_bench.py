"""A worker's side in this process: a runtime, a repository and runs, without a forge.

The agent of a test is its shell script. Engine, git and ledger are real.
"""

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import update

from bot.agents.command_line import CommandLineAgent
from bot.app.build import build_runtime
from bot.app.command_defaults import defaults
from bot.app.settings.limits import SandboxSettings
from bot.app.settings.sections import AgentSettings, DataSettings, StoreSettings
from bot.app.settings.settings import Settings
from bot.domain.errors import GitFailed
from bot.domain.lifecycle import Phase
from bot.domain.nudges import Nudges
from bot.domain.repository_url import canonical
from bot.domain.task import Run, Task
from bot.git.run import Objects
from bot.runs.execute import execute
from bot.runs.runtime import Runtime
from bot.store import claims, runs, schema, tasks
from bot.store import log_chunks as store_log
from bot.store.ledger import clock
from bot.tasks.operator import open_from_cli, resume_from_cli
from tests.support.cli_sandbox import LONG, Desk, at_a_desk
from tests.support.rows import all_are_dead

FOREVER = "echo begun; sleep 300"


@dataclass(frozen=True, slots=True)
class Workshop:
    runtime: Runtime
    desk: Desk
    settings: Settings

    def agent(self, script: str, **changed: Any) -> Runtime:
        """Return the runtime with this script as its agent."""
        return replace(self.runtime, agents={"shell": CommandLineAgent(["sh", "-ec", script])}, **changed)

    def queued(self, *, remote: str = "", base: str = "", wall_limit: int = 60) -> Run:
        """Add a new task and return its queued run."""
        url = canonical(remote or str(self.desk.repository))
        given = replace(defaults(self.settings), wall_limit=wall_limit)
        with self.runtime.ledger.write() as tx:
            return open_from_cli(tx, given, repository_url=url, request="tidy the parser", base=base).run

    def next(self) -> Run | None:
        """Claim the next queued run for this process."""
        with self.runtime.ledger.write() as tx:
            return claims.claim_next(tx, self.runtime.worker)

    def claimed(self, **asked: Any) -> Run:
        """Add a new task and claim its run for this process; `asked` as for `queued`."""
        self.queued(**asked)
        run = self.next()
        assert run is not None
        return run

    def done(self, script: str) -> Run:
        """Add a new task and execute its run with this script to the end."""
        run = self.claimed()
        execute(self.agent(script), run, threading.Event())
        return self.now(run)

    def resumed(self, task_id: str, script: str) -> Run:
        """Resume the task, and execute that run with this script to the end."""
        with self.runtime.ledger.write() as tx:
            resume_from_cli(tx, task_id, "go on")
        run = self.next()
        assert run is not None
        execute(self.agent(script), run, threading.Event())
        return self.now(run)

    @contextmanager
    def busy(self, runtime: Runtime, run: Run) -> Iterator[threading.Event]:
        """Execute this run in another thread.

        The event stops it; it must have ended at the end of the block.
        """
        stopping = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(execute, runtime, run, stopping)
            try:
                yield stopping
            except BaseException:
                stopping.set()
                raise
            work.result(LONG)

    def taken_over(self, holder: str) -> tuple[Run, Runtime]:
        """Take over the only run as another process of this host; return it with that process's runtime."""
        worker = replace(self.runtime.worker, holder=holder)
        with self.runtime.ledger.write() as tx:
            run = claims.take_over(tx, worker, all_are_dead)
        assert run is not None
        return run, replace(self.runtime, worker=worker)

    def out_of_time(self, run: Run) -> None:
        """Set the wall limit to a moment from now, and return after that moment.

        A limit that is short from the start may be over before the agent has done anything.
        """
        [began] = [began for phase, began, _ in self.phases(run) if phase is Phase.AGENT]
        with self.runtime.ledger.write() as tx:
            limit = math.ceil(clock(tx) - began) + 1
            tx.execute(update(schema.runs).where(schema.runs.c.id == run.id).values(wall_limit=limit))

        def is_over() -> bool:
            with self.runtime.ledger.read() as tx:
                return clock(tx) > began + limit

        until(is_over)

    def now(self, run: Run) -> Run:
        with self.runtime.ledger.read() as tx:
            return runs.get(tx, run.id)

    def task(self, run: Run) -> Task:
        with self.runtime.ledger.read() as tx:
            return tasks.get(tx, run.task)

    def phases(self, run: Run) -> list[tuple[Phase, float, float | None]]:
        with self.runtime.ledger.read() as tx:
            return runs.phase_times(tx, run.id)

    def printed(self, run: Run) -> bytes:
        """Return all of the run's log in the ledger."""
        with self.runtime.ledger.read() as tx:
            return b"".join(data for _, data in store_log.read(tx, run.id, 0, 1 << 20))

    def cancel(self, run: Run) -> bool:
        """Request the cancellation; return False if it is too late."""
        with self.runtime.ledger.write() as tx:
            return runs.ask_cancel(tx, runs.get(tx, run.id))

    def branches(self) -> list[str]:
        """Return the remote's branches except its default branch."""
        names = self.desk.git("for-each-ref", "--format=%(refname:short)", "refs/heads/").split()
        return sorted(set(names) - {"main"})

    def mirror(self, run: Run) -> Path:
        return self.runtime.mirror(self.task(run)).path

    def saved(self, run: Run, ref: str, path: str) -> str:
        """Return a file's content at refs/<ref>/<run> of the task's quarantine, or "" if there is none."""
        objects = Objects(self.runtime.quarantine(run.task), (self.mirror(run),))
        try:
            return objects.git("cat-file", "blob", f"refs/{ref}/{run.id}:{path}").decode()
        except GitFailed:
            return ""

    def containers(self) -> list[str]:
        """Return the names of all containers, running or not."""
        return [found.name for found in self.runtime.engine.ours()]


@contextmanager
def in_a_workshop(folder: Path, store_url: str = "") -> Iterator[Workshop]:
    with at_a_desk(folder) as desk:
        image = desk.environment["FORGEHAND_SANDBOX__IMAGE"]
        settings = Settings(
            data=DataSettings(path=folder / "forgehand-data"),
            store=StoreSettings(url=SecretStr(store_url)),
            sandbox=SandboxSettings(image=image, tools_image=image),
            agents={"shell": AgentSettings(command=["true"])},
        )
        nudges = Nudges(answer=lambda *_: None, work=lambda: None, report=lambda _: None)
        with build_runtime(settings, public_url="https://bot.example.org", nudges=nudges) as runtime:
            yield Workshop(runtime, desk, settings)


def until(true: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    pause = threading.Event()
    for _ in range(int(LONG / 0.02)):
        if true():
            return
        pause.wait(0.02)
    raise AssertionError(f"It did not come to be within {LONG:.0f} s.")

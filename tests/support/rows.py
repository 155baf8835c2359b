"""Rows for a ledger. A value that a test does not name does not matter to it."""

from itertools import count

from sqlalchemy import Connection

from bot.domain.lifecycle import Phase, State
from bot.domain.task import Run, Task
from bot.domain.thread import Actor, Kind, Thread
from bot.store import claims, runs, tasks
from bot.store.claims import Worker
from bot.store.leases import Lease

_numbers = count(1)


def a_thread(number: int = 0, *, repository: int = 1, name: str = "") -> Thread:
    """Make an issue. Its number is unused unless one is given."""
    path = f"acme/{name or f'r{repository}'}"
    return Thread(
        forge="github",
        repository_id=repository,
        repository_url=f"https://github.com/{path}",
        path=path,
        kind=Kind.ISSUE,
        number=number or next(_numbers),
        title="Tidy the parser",
    )


def add_task(tx: Connection, thread: Thread | None = None) -> Task:
    """Add a queued task that has no run yet; on a new thread unless one is given."""
    thread = thread or a_thread()
    task_id = f"t{next(_numbers)}"
    task = Task(
        id=task_id,
        thread=thread,
        thread_key=thread.key,
        state=State.QUEUED,
        agent="demo",
        change_form="draft",
        base="",
        branch=f"forgehand/{task_id}",
        pinned="",
    )
    tasks.add(tx, task)
    return tasks.get(tx, task_id)


def add_run(
    tx: Connection, task: Task | None = None, *, host: str = "", cause: str = "", phase: Phase = Phase.PREPARE
) -> Run:
    """Add a queued run to the task, or to a new one if none is given."""
    task = task or add_task(tx)
    number = len(runs.of_task(tx, task.id)) + 1
    run = Run(
        id=f"{task.id}-{number}",
        task=task.id,
        number=number,
        thread_key=task.thread_key,
        repository_url=task.thread.repository_url,
        state=State.QUEUED,
        phase=phase,
        first_phase=phase,
        request="tidy it",
        context=(),
        cause=cause or f"comment:{next(_numbers)}",
        asked_by=Actor(id=7, login="ann"),
        host=host,
        wall_limit=60,
    )
    runs.add(tx, run, forge=task.thread.forge, repository_id=task.thread.repository_id)
    return runs.get(tx, run.id)


def a_worker(holder: str = "w1", *, host: str = "h1", per_repository: int = 2, per_host: int = 4) -> Worker:
    return Worker(host=host, holder=holder, per_repository=per_repository, per_host=per_host)


def lease_of(run: Run | None) -> Lease:
    assert run is not None
    return Lease(run.id, run.epoch)


def claimed(tx: Connection) -> Run:
    """Add a run that worker w1 of host h1 has claimed."""
    run = claims.claim(tx, a_worker(), add_run(tx).id)
    assert run is not None
    return run


def nobody_is_dead(_holder: str) -> bool:
    return False


def all_are_dead(_holder: str) -> bool:
    return True

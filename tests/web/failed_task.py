"""A failed task, with a log and a patch, and the link to its page."""

from sqlalchemy import Connection

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Task
from bot.domain.thread import Thread
from bot.store import claims, leases, log_chunks, patches, runs, shared_keys, tasks, workspaces
from tests.support.rows import a_worker, add_run, add_task, lease_of

KEY = b"k" * 32
SECRET = "hunter2hunter2"
OPERATOR = "the operator's own token"
PATCH = b" 1 file changed, 1 insertion(+)\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+one\n"
HOSTILE = "</title><script>alert('x')</script>\u202egnp.exe\u200b"


def link(task: Task) -> str:
    return shared_keys.task_url("", KEY, task.id)


def failed(tx: Connection, thread: Thread | None = None) -> Task:
    """Add a task whose only run, with the request `tidy it`, ran out of memory."""
    task = add_task(tx, thread)
    run = claims.claim(tx, a_worker(), add_run(tx, task).id)
    workspaces.mark_in_use(tx, task.id, "h1")
    lease = lease_of(run)
    leases.enter(tx, lease, Phase.PREPARE)
    leases.enter(tx, lease, Phase.AGENT)
    log_chunks.append(
        tx, lease.run, 0, b"reading the parser\n\x1b[31mit is\xe2\x80\xae long\x1b[0m\nkey=hunter2hunter2\n"
    )
    leases.end(tx, lease, Outcome.OUT_OF_MEMORY, State.FAILED, "Killed at 2 GiB.")
    tasks.change_state(tx, task.id, State.FAILED)
    workspaces.retain(tx, task.id, 2_000_000_000.0)
    return tasks.get(tx, task.id)


def patched(tx: Connection, text: bytes, size: int = 0) -> Task:
    """Add a failed task whose run has this patch."""
    task = failed(tx)
    patches.add(tx, runs.newest(tx, task.id).id, text, size or len(text))
    return task

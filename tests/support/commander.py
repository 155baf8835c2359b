"""Commands as people write them, and runs as workers end them, for tests of the bot's decisions."""

from dataclasses import dataclass, replace
from itertools import count

from sqlalchemy import Connection

from bot.commands.options import split_options
from bot.commands.parser import read
from bot.commands.router import Router
from bot.domain.change import ChangeHead
from bot.domain.command import Command, Options
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run, Task
from bot.domain.thread import Actor, Kind, ReplyTarget, Thread
from bot.forges.prompt_parts import thread_part
from bot.store import claims, leases, runs, tasks, workspaces
from bot.store.ledger import Ledger, clock
from bot.tasks import retention
from bot.tasks.verbs import Defaults, Tasks
from handlers import router
from tests.support.rows import a_worker, lease_of

BOT_NAMES = {"github": "forge-bot", "gitlab": "forge-bot"}
DEFAULTS = Defaults(agents=("demo", "codex"), agent="demo", wall_limit=3600, bot_names=BOT_NAMES, labels={})
ISSUE = Thread(
    forge="github",
    repository_id=1,
    repository_url="https://github.com/acme/anvil",
    path="acme/anvil",
    kind=Kind.ISSUE,
    number=12,
    title="Tidy the parser",
)
CHANGE = replace(ISSUE, kind=Kind.CHANGE, number=40, title="Add a lexer")
HEAD = "c0ffee" + "0" * 34
ANN = Actor(id=7, login="ann")

_numbers = count(1)


def patch_url(task_id: str) -> str:
    return f"https://bot.example.org/tasks/{task_id}/patch?key=k"


def a_change(
    *, head: str = HEAD, head_branch: str = "lexer", same_repository: bool = True, is_open: bool = True
) -> ChangeHead:
    return ChangeHead(
        head=head,
        head_branch=head_branch,
        base_branch="main",
        default_branch="main",
        same_repository=same_repository,
        open=is_open,
    )


def a_command(
    name: str,
    text: str = "",
    *,
    options: Options | None = None,
    thread: Thread = ISSUE,
    change: ChangeHead | None = None,
    internal: bool = False,
) -> Command:
    number = next(_numbers)
    return Command(
        name=name,
        text=text,
        options=options or Options(),
        thread=thread,
        actor=ANN,
        cause=f"comment:{number}",
        reply_target=ReplyTarget(comment_id=number, internal=internal),
        context=(thread_part(thread, "It is untidy.", author="ben", at="2026-11-01T09:00:00Z"),),
        change=change,
    )


@dataclass(frozen=True, slots=True)
class Say:
    """A callable that handles a comment and returns the text of the handler's reply, or its BotError."""

    ledger: Ledger
    router: Router = router

    def __call__(
        self,
        body: str,
        *,
        thread: Thread = ISSUE,
        change: ChangeHead | None = None,
        internal: bool = False,
    ) -> str:
        spoken = read(body, bot_name=DEFAULTS.bot_names["github"], known=self.router.routes)
        assert spoken is not None
        options, text = split_options(spoken.rest, self.router.route(spoken.name).options)
        command = a_command(
            spoken.name, text, options=options, thread=thread, change=change, internal=internal
        )
        with self.ledger.write() as tx:
            tasks_ = Tasks(tx=tx, defaults=DEFAULTS, help=self.router.help(thread.forge), patch_url=patch_url)
            return self.router.dispatch(command, tasks_)

    def newest(self, thread: Thread = ISSUE) -> tuple[Task, Run]:
        """Return the newest task of the thread, and its newest run."""
        with self.ledger.read() as tx:
            task = tasks.of_thread(tx, thread.key)[0]
            return task, runs.newest(tx, task.id)

    def worked(self, outcome: Outcome, *phases: Phase, thread: Thread = ISSUE, **facts: str) -> Task:
        """Record that worker w1 of host h1 ended the newest run of the thread; `facts` are for its task."""
        task, run = self.newest(thread)
        with self.ledger.write() as tx:
            end_run(tx, run, outcome, phases)
            if facts:
                tasks.write(tx, task.id, **facts)
            return tasks.get(tx, task.id)


def end_run(tx: Connection, run: Run, outcome: Outcome, phases: tuple[Phase, ...] = ()) -> None:
    """Record a worker's facts about a run: its claim, its phases and its end."""
    state = ENDINGS[outcome].state
    lease = begin_run(tx, run, phases)
    leases.enter(tx, lease, Phase.REPORT)
    leases.end(tx, lease, outcome, state, "")
    tasks.change_state(tx, run.task, state)
    retention.from_now(tx, run.task, state)


def begin_run(tx: Connection, run: Run, phases: tuple[Phase, ...] = ()) -> leases.Lease:
    lease = lease_of(claims.claim(tx, a_worker(), run.id))
    workspaces.mark_in_use(tx, run.task, "h1")
    for phase in phases:
        leases.enter(tx, lease, phase)
        if phase is Phase.AGENT:
            leases.write(tx, lease, agent_started=True)
    return lease


def remove_workspace(tx: Connection, task: Task) -> None:
    """Record the removal of a workspace, as the janitor does after the retention time."""
    workspaces.retain(tx, task.id, clock(tx) - 1)
    assert workspaces.claim_removal(tx, task.id)

"""The commands of the operator for existing and new tasks."""

import pytest

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.store import outbox
from bot.store.ledger import Ledger
from bot.store.outbox import Outgoing
from bot.tasks.operator import cancel_from_cli, open_from_cli, resume_from_cli
from tests.support.commander import DEFAULTS, Say, end_run


def test_the_operator_opens_resumes_and_cancels_tasks_without_a_thread(ledger: Ledger) -> None:
    with ledger.write() as tx:
        first = open_from_cli(
            tx, DEFAULTS, repository_url="file:///srv/a.git", request="Tidy\nall", base="main"
        )
        second = open_from_cli(tx, DEFAULTS, repository_url="file:///srv/b.git", request="Tidy")
        end_run(tx, first.run, Outcome.AGENT_FAILED)
        again = resume_from_cli(tx, first.task.id, "")
        cancelled = cancel_from_cli(tx, second.task.id)

    assert first.task.thread_key == f"cli:{first.task.id}"
    assert (first.task.branch, first.task.base) == (f"forgehand/tidy-{first.task.id}", "main")
    assert (first.task.change_form, first.run.asked_by.login) == ("none", "operator")
    assert (again.run.number, again.run.request, again.run.host) == (2, "Tidy\nall", "h1")
    assert again.task.thread.repository_url == "file:///srv/a.git"
    assert cancelled.state is State.CANCELLED
    with ledger.read() as tx:
        assert outbox.of_subject(tx, second.run.id, Outgoing.PROGRESS) == []


def test_the_operator_resumes_and_cancels_a_task_of_a_thread(say: Say) -> None:
    say("/run tidy")
    task = say.worked(Outcome.AGENT_FAILED)
    with say.ledger.write() as tx:
        queued = resume_from_cli(tx, task.id, "again")
        cancelled = cancel_from_cli(tx, task.id)

    assert queued.run.context[0].text == "Tidy the parser\n\nIt is untidy."
    assert cancelled.state is State.CANCELLED
    with pytest.raises(NotPossible, match="is cancelled already"), say.ledger.write() as tx:
        cancel_from_cli(tx, task.id)
    with pytest.raises(NotPossible, match="No task `nonesuch`"), say.ledger.write() as tx:
        resume_from_cli(tx, "nonesuch", "")

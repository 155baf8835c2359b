"""GitHub refuses workflow files that the default branch does not have, if the token lacks the permission."""

import pytest

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from tests.journeys.world import HOLD, World, shell
from tests.support.playground_clones import clone, commit_all, push
from tests.support.playground_github import Playground

pytestmark = pytest.mark.alike

CI = ".github/workflows/ci.yml"


@pytest.fixture(params=["github"])
def forge(request: pytest.FixtureRequest) -> str:
    """GitLab has no such rule."""
    return str(request.param)


def set_workflow(world: World, content: str) -> str:
    """Push a commit of Ann's that writes the workflow to the default branch; return its id."""
    folder = world.folder / f"clone-{content}"
    clone(world.playground, folder)
    (folder / CI).parent.mkdir(parents=True, exist_ok=True)
    (folder / CI).write_text(f"on: {content}\n")
    made = commit_all(folder, "CI")
    assert push(folder, world.playground, "main").returncode == 0
    return made


def begun(world: World) -> Playground:
    assert isinstance(world.playground, Playground)
    set_workflow(world, "push")
    world.playground.allow_workflows(world.playground.bot_name, allowed=False)
    world.start()
    return world.playground


def test_work_on_an_old_commit_is_pushed_after_a_merge_of_the_default_branch(embedded: World) -> None:
    playground = begun(embedded)
    embedded.say(1, "/run " + shell(f"echo one > one.txt; git add .; git commit -qm one; {HOLD}"))
    running = embedded.until_running()
    main = set_workflow(embedded, "pull_request")
    embedded.let_continue(running)

    task, first = embedded.task_after_run(1)

    assert first.outcome is Outcome.PUSH_REJECTED, first.reason
    final = embedded.final_comment(1, first)
    assert "workflow files (`.github/workflows`) of `main` have changed since this work began" in final
    assert "`/resume merge main`" in final
    assert playground.branch_head(task.branch) is None
    embedded.say(1, "/resume merge main " + shell("git merge -q --no-edit origin/main"))
    task, second = embedded.task_after_run(2)
    assert (second.outcome, second.reason) == (Outcome.HELD, f"`{CI}`")
    embedded.say(1, f"/approve {task.checked_head}")
    task, third = embedded.task_after_run(3)
    assert third.outcome is Outcome.PUSHED, third.reason
    assert playground.branch_head(task.branch) == task.pushed_head
    assert embedded.git("diff", "--name-only", main, f"origin/{task.branch}").split() == ["one.txt"]


@pytest.mark.long
def test_work_on_a_change_into_the_default_branch_is_told_to_merge_it(embedded: World) -> None:
    playground = begun(embedded)
    embedded.push("lexer", "lexer.py", "hers")
    change = playground.open_pull("Add a lexer", head="lexer")
    embedded.say(change, "/run " + shell(f"echo one > one.txt; {HOLD}"))
    running = embedded.until_running()
    set_workflow(embedded, "pull_request")
    embedded.let_continue(running)

    _, first = embedded.task_after_run(1)

    assert first.outcome is Outcome.PUSH_REJECTED, first.reason
    assert "`/resume merge main`" in embedded.final_comment(change, first)


@pytest.mark.long
def test_work_that_changes_a_workflow_needs_the_permission(embedded: World) -> None:
    playground = begun(embedded)
    embedded.say(1, "/run " + shell(f"echo 'on: never' > {CI}"))
    task, first = embedded.task_after_run(1)
    assert first.outcome is Outcome.HELD, first.reason

    embedded.say(1, f"/approve {task.checked_head}")

    _, second = embedded.task_after_run(2)
    assert second.outcome is Outcome.PUSH_REJECTED
    final = embedded.final_comment(1, second)
    assert "the bot's token lacks the permission *Workflows*" in final
    assert "`/resume`" in final
    playground.allow_workflows(playground.bot_name, allowed=True)
    embedded.say(1, "/resume")
    task, third = embedded.task_after_run(3)
    assert (third.outcome, embedded.phases(third)) == (Outcome.PUSHED, [Phase.PUSH, Phase.REPORT])
    assert playground.branch_head(task.branch) == task.pushed_head


@pytest.mark.long
def test_work_for_another_branch_is_not_told_to_merge_the_default_branch(embedded: World) -> None:
    playground = begun(embedded)
    embedded.push("stable", "stable.txt")
    embedded.say(1, "/run --base stable " + shell(f"echo one > one.txt; {HOLD}"))
    running = embedded.until_running()
    set_workflow(embedded, "pull_request")
    embedded.let_continue(running)

    task, first = embedded.task_after_run(1)

    assert first.outcome is Outcome.PUSH_REJECTED, first.reason
    assert "lacks the permission *Workflows*" in embedded.final_comment(1, first)
    assert playground.branch_head(task.branch) is None

"""Claude Code works, resumes, asks and survives failures on a task. Only the model's text is scripted."""

import subprocess
import time

import pytest

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.domain.usage import Known, Tokens
from bot.playground.github import rules
from tests.journeys.agents.talk import KEY, Talk
from tests.journeys.world import Figures
from tests.support.model_provider import Turn, Use, answering, runs
from tests.support.waiting import eventually

pytestmark = pytest.mark.agents

WRITES = Turn(parts=[Use("Write", file_path="/workspace/hello.txt", content="hello\n")])
EDITS = Turn(parts=[Use("Edit", file_path="/workspace/hello.txt", old_string="hello", new_string="good day")])
ONCE = Tokens(input=100, output=20)  # the model's report for each answer
PRICE = 0.0008  # US dollars that the report makes an answer cost
COMMITS = runs("git add hello.txt && git commit -qm 'Say hello'")


def test_a_run_pushes_its_work_and_a_resume_continues_the_conversation(talk: Talk, figures: Figures) -> None:
    # A proxy for packages is configured; requests to the model bypass it.
    talk.world.settings["network"] = {"allow": ["pip.test"]}
    talk.models.script = [WRITES, COMMITS, answering("I wrote hello.txt.")]
    talk.world.start()
    said = time.monotonic()

    task, first = talk.after(1, "/run greet whoever reads this, zanzibar")

    assert (first.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), first.reason
    asked = talk.models.asked
    figures("the agent's first request after the comment", asked[0].at - said, promised=10)
    assert talk.world.git("show", f"origin/{task.branch}:hello.txt") == "hello"
    assert "I wrote hello.txt." in talk.world.final_comment(1, first)
    assert "zanzibar" in asked[0].shown
    assert {each.key for each in asked} == {KEY}
    assert len(asked) == talk.counted(first).requests == 3
    assert talk.refused(first) == []

    talk.models.script = [EDITS, answering("It says good day now.")]
    task, second = talk.after(2, "/resume more politely, quizzical")

    assert (second.outcome, second.session) == (Outcome.PUSHED, first.session), second.reason
    assert talk.world.git("show", f"origin/{task.branch}:hello.txt") == "good day"
    for words in ("zanzibar", "I wrote hello.txt.", "quizzical"):
        assert words in talk.last.shown
    assert talk.counted(second).requests == 2
    assert [each.usd for each in talk.spent(task)] == [pytest.approx(3 * PRICE), pytest.approx(2 * PRICE)]


@pytest.mark.long
def test_a_sandbox_killed_in_the_middle_of_a_tool_can_be_resumed(talk: Talk) -> None:
    talk.models.script = [runs("touch ~/there; sleep 600")]
    talk.world.start()
    talk.world.say(1, "/run wait for it, zanzibar")
    run = talk.world.until_running()
    eventually(lambda: (talk.world.in_workspace(talk.world.tasks()[0]) / "home" / "there").exists())

    for name in talk.world.containers():
        subprocess.run(["docker", "kill", name], check=True, capture_output=True)
    task, killed = talk.world.task_after_run(1)

    assert (killed.id, task.state) == (run.id, State.FAILED), killed.reason
    assert (talk.counted(killed).requests, talk.counted(killed).tokens) == (1, ONCE)
    talk.models.script = [WRITES, COMMITS, answering("Done after all.")]
    task, second = talk.after(2, "/resume do not wait")
    assert (second.outcome, second.session) == (Outcome.PUSHED, killed.session), second.reason
    assert "zanzibar" in talk.last.shown
    assert "sleep 600" in talk.last.shown
    assert (talk.counted(second).requests, talk.counted(second).tokens.output) == (3, 3 * ONCE.output)
    # The cost before the kill is lost.
    assert [(each.known, each.usd) for each in talk.spent(task)] == [
        (Known.UNKNOWN, 0.0),
        (Known.AGENT, pytest.approx(3 * PRICE)),
    ]


@pytest.mark.long
def test_a_new_conversation_starts_after_one_that_cannot_be_read(talk: Talk) -> None:
    talk.models.otherwise = answering("I read it.")
    talk.world.start()
    task, first = talk.after(1, "/run read, zanzibar")
    home = talk.world.in_workspace(task) / "home"
    # as after a power cut
    (home / f".claude/projects/-workspace/{first.session}.jsonl").write_bytes(b"\0" * 9999)

    _task, second = talk.after(2, "/resume and again")
    task, third = talk.after(3, "/resume")

    assert (second.outcome, second.session) == (Outcome.AGENT_FAILED, ""), second.reason
    assert (third.outcome, third.session_from) == (Outcome.NO_CHANGES, ""), third.reason
    assert "zanzibar" in talk.last.shown


@pytest.mark.long
def test_a_run_waits_for_a_command_in_the_background(talk: Talk) -> None:
    tests = Use("Bash", command="sleep 20; echo passed", description="tests", run_in_background=True)
    talk.models.script = [
        Turn(parts=[tests]),
        answering("I wait for them."),
        WRITES,
        COMMITS,
        answering("They passed."),
    ]
    talk.world.start()

    _task, run = talk.after(1, "/run greet, and test it")

    assert (run.outcome, run.summary) == (Outcome.PUSHED, "They passed."), run.reason
    assert len(talk.models.asked) == 5


@pytest.mark.long
def test_a_question_is_asked_and_the_agent_gets_the_answer(talk: Talk) -> None:
    talk.models.script = [
        runs("echo 'Which colour, please?' >/task/out/question.md"),
        answering("I have asked."),
    ]
    talk.world.start()

    task, first = talk.after(1, "/run paint it")

    assert (first.outcome, task.state) == (Outcome.QUESTION, State.WAITING), first.reason
    assert "Which colour, please?" in talk.world.final_comment(1, first)
    talk.models.script = [WRITES, COMMITS, answering("Painted.")]
    task, second = talk.after(2, "/resume a dark vermilion")
    assert (second.outcome, second.session) == (Outcome.PUSHED, first.session), second.reason
    assert "a dark vermilion" in talk.last.shown
    assert "paint it" in talk.last.shown


@pytest.mark.long
def test_an_answer_that_breaks_off_is_requested_again(talk: Talk) -> None:
    cut = answering("A long answer, of which only the first half arrives.", cut=True)
    talk.models.script = [cut, WRITES, COMMITS, answering("Done.", pause=0.2)]
    talk.world.start()

    _task, run = talk.after(1, "/run greet")

    assert run.outcome is Outcome.PUSHED, run.reason
    assert len(talk.models.asked) == talk.counted(run).requests == 4


@pytest.mark.long
def test_a_huge_issue_is_cut_in_the_request_to_the_model(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    # No forge accepts so much text today, but a delivery may be larger.
    monkeypatch.setattr(rules, "TEXT_LIMIT", 11 << 20)
    talk.world.start()
    number = talk.world.playground.open_issue("Large", "x y z " * ((10 << 20) // 6))
    talk.models.script = [WRITES, COMMITS, answering("Read what there was.")]

    talk.world.say(number, "/run greet")

    _task, run = talk.world.task_after_run(1, on=number)
    assert run.outcome is Outcome.PUSHED, run.reason
    assert talk.last.size < 200_000


@pytest.mark.long
def test_a_run_with_binary_output_succeeds(talk: Talk) -> None:
    talk.models.script = [
        runs(
            "head -c 300000 /dev/urandom; printf '\\033[31m\\000\\377 red\\n'; head -c 2000 /dev/urandom >&2"
        ),
        WRITES,
        COMMITS,
        answering("Noise, and a \x1b[31mred\x1b[0m \u202eword."),
    ]
    talk.world.start()

    _task, run = talk.after(1, "/run make noise")

    assert run.outcome is Outcome.PUSHED, run.reason
    final = talk.world.final_comment(1, run)
    assert "red" in final
    assert not {"\x1b", "\u202e"} & set(final)

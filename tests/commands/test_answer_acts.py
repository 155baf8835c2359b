"""One act of a person starts one run, whatever it consists of."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations, permutations
from typing import Any

import pytest

from bot.commands.triggers import REVIEW
from bot.domain.command import WHOLE_THREAD
from bot.domain.event import Event
from bot.forges.gitlab import events as gitlab_events
from bot.store.ledger import Ledger
from tests.commands.answering_bot import ANN, EVE, Bot, about, label
from tests.forges.gitlab.hook_payloads import changes_hook, raw
from tests.support.commander import DEFAULTS, ISSUE, a_change
from tests.support.fakes import FakeForge

FORGE_BOT = 1  # the id of its account
AT = datetime(2026, 11, 23, 7, 18, 23, tzinfo=UTC)
TRIGGERS = ("forgehand", "forgehand:codex", "tidy", "assigned", "reviewer")
EVERY_SUBSET = list(chain.from_iterable(combinations(TRIGGERS, n) for n in range(1, len(TRIGGERS) + 1)))


class GitLabReader(FakeForge):
    """The fake forge with GitLab's deliveries."""

    def events(self, event: str, body: bytes) -> list[Event]:
        return [self._seen(each) for each in gitlab_events.parse(event, body)]


@pytest.fixture
def on_gitlab(ledger: Ledger) -> Bot:
    forge = GitLabReader(writers={"root"})
    forge.labels = {f"github:5:{kind}:23": {*TRIGGERS, "bug"} for kind in ("issue", "change")}
    return Bot(ledger, forge=forge, allow=("gitlab-org",), labels={"tidy": "Tidy it."})


def opened(kind: str, triggers: Sequence[str]) -> bytes:
    """Return GitLab's delivery of a new issue or change with these triggers."""
    titles = [name for name in triggers if name not in {"assigned", "reviewer"}]
    people = {"id": FORGE_BOT, "username": "forgehand"}
    payload = changes_hook(
        kind,
        {},
        action="open",
        assignee_ids=[FORGE_BOT] if "assigned" in triggers else [],
        reviewer_ids=[FORGE_BOT] if "reviewer" in triggers else [],
    )
    payload["user"]["id"] = 9
    labels = [{"id": number, "title": title} for number, title in enumerate(titles, 1)]
    return raw({**payload, "labels": labels, "assignees": [people]})


def saved(kind: str, triggers: Sequence[str]) -> bytes:
    """Return GitLab's delivery of an edit that adds these triggers at once."""
    titles = [name for name in triggers if name not in {"assigned", "reviewer"}]
    added: dict[str, list[Any]] = {
        "labels": [{"id": number, "title": title} for number, title in enumerate(titles, 1)],
        "assignees": [{"id": FORGE_BOT}] * ("assigned" in triggers),
        "reviewers": [{"id": FORGE_BOT}] * ("reviewer" in triggers),
    }
    payload = changes_hook(kind, {name: {"previous": [], "current": now} for name, now in added.items()})
    payload["user"]["id"] = 9
    return raw(payload)


def assigned(*, at: datetime = AT, by: Any = ANN, to: int = FORGE_BOT) -> bytes:
    payload = about(ISSUE.number, by, "assigned")
    payload["issue"]["updated_at"] = at.isoformat()
    return json.dumps({**payload, "assignee": {"id": to}}).encode()


def removed_labels(bot: Bot) -> list[str]:
    return sorted(
        target for _, kind, target, content in bot.outbox() if kind == "label" and not content["on"]
    )


@pytest.mark.parametrize("triggers", EVERY_SUBSET, ids="+".join)
@pytest.mark.parametrize(
    ("hook", "kind", "delivery"),
    [
        ("Issue Hook", "issue", opened),
        pytest.param("Issue Hook", "issue", saved, marks=pytest.mark.alike),
        pytest.param("Merge Request Hook", "merge_request", saved, marks=pytest.mark.alike),
    ],
)
def test_one_save_on_gitlab_starts_one_run(
    on_gitlab: Bot, hook: str, kind: str, delivery: Any, triggers: tuple[str, ...]
) -> None:
    on_gitlab.forge.heads = {"github:5:change:23": a_change()}

    for _ in range(2):  # the project's hook and the group's
        on_gitlab.answer(on_gitlab.receive(hook, delivery(kind, ["bug", *triggers])))

    (run,) = on_gitlab.runs()
    labels = [name for name in triggers if name not in {"assigned", "reviewer"}]
    assert removed_labels(on_gitlab) == sorted(labels)
    own = [name for name in triggers if name in {"forgehand:codex", "tidy", "reviewer"}]
    asked = {"forgehand:codex": WHOLE_THREAD, "tidy": "Tidy it.", "reviewer": REVIEW}
    assert run.request == asked.get(own[0] if own else "", WHOLE_THREAD)
    assert run.agent == ("codex" if "forgehand:codex" in triggers else DEFAULTS.agent)
    not_obeyed = [{"tidy": "label `tidy`", "reviewer": "review request"}[name] for name in own[1:]]
    assert [
        f"The {what} was not obeyed" in text
        for what, text in zip(not_obeyed, on_gitlab.replies(), strict=True)
    ] == [True] * len(not_obeyed)


@pytest.mark.parametrize("seconds", [-1, 0, 1])
@pytest.mark.parametrize("label_first", [True, False], ids=["label first", "assignment first"])
def test_a_label_and_an_assignment_of_one_act_in_two_deliveries_start_one_run(
    bot: Bot, seconds: int, *, label_first: bool
) -> None:
    bot.forge.labels[ISSUE.key] = {"forgehand"}
    both = [
        bot.receive("issues", label("forgehand", at=AT.isoformat())),
        bot.receive("issues", assigned(at=AT + timedelta(seconds=seconds))),
    ]

    for delivery_id in both if label_first else both[::-1]:
        bot.answer(delivery_id)

    assert len(bot.runs()) == 1
    assert removed_labels(bot) == ["forgehand"]
    assert bot.replies() == []


def test_the_deliveries_of_one_act_that_are_answered_at_once_start_one_run(bot: Bot) -> None:
    names = ["forgehand", "forgehand:codex", "forgehand:demo"]
    bot.forge.labels[ISSUE.key] = set(names)
    ids = [bot.receive("issues", label(name, at=AT.isoformat())) for name in names]
    ids += [bot.receive("issues", assigned())]

    with ThreadPoolExecutor(len(ids)) as pool:
        list(pool.map(bot.answer, ids))

    assert len(bot.runs()) == 1
    assert removed_labels(bot) == sorted(names)


def test_acts_of_two_people_start_two_runs(bot: Bot) -> None:
    bot.forge.writers.add("eve")
    bot.forge.labels[ISSUE.key] = {"forgehand"}

    bot.answer(bot.receive("issues", label("forgehand", at=AT.isoformat())))
    bot.answer(bot.receive("issues", assigned(by=EVE)))

    assert sorted(run.asked_by.login for run in bot.runs()) == ["ann", "eve"]


def test_two_acts_of_one_person_start_two_runs(bot: Bot) -> None:
    bot.forge.labels[ISSUE.key] = {"forgehand"}

    bot.answer(bot.receive("issues", label("forgehand", at=AT.isoformat())))
    bot.answer(bot.receive("issues", assigned(at=AT + timedelta(seconds=2))))

    assert len(bot.runs()) == 2


def test_comments_in_the_second_of_a_label_are_acts_of_their_own(bot: Bot) -> None:
    bot.forge.labels[ISSUE.key] = {"forgehand"}

    bot.comment("/run one", at=AT.isoformat())
    bot.comment("/run two", at=AT.isoformat())
    bot.answer(bot.receive("issues", label("forgehand", at=AT.isoformat())))

    assert sorted(run.request for run in bot.runs()) == [WHOLE_THREAD, "one", "two"]


@pytest.mark.parametrize("names", [*permutations(["forgehand:nobody", "forgehand:codex"])], ids="+".join)
def test_a_refused_label_leaves_the_run_to_the_rest_of_its_act(bot: Bot, names: Sequence[str]) -> None:
    bot.forge.labels[ISSUE.key] = set(names)

    for name in names:
        bot.answer(bot.receive("issues", label(name, at=AT.isoformat())))

    assert [run.agent for run in bot.runs()] == ["codex"]


def test_an_assignment_to_another_account_is_not_part_of_an_act(bot: Bot) -> None:
    bot.forge.labels[ISSUE.key] = {"forgehand"}

    bot.answer(bot.receive("issues", assigned(to=77)))
    bot.answer(bot.receive("issues", label("forgehand", at=AT.isoformat())))

    assert [run.cause for run in bot.runs()] == ["label:issue/12:forgehand:2026-11-23T07:18:23Z"]

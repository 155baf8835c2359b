"""A webhook's secret is replaced while comments continue: no command is lost."""

import signal

import pytest

from tests.journeys.world import COMMENTED, World
from tests.support.playground_gitlab import GitLabPlayground
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

NEXT = {"github": "the next secret of this webhook", "gitlab": "whsec_" + "bmV4dA" * 8}


def accept(full: World, *keys: str) -> None:
    if isinstance(full.playground, GitLabPlayground):
        full.settings["gitlab"]["signing_tokens"] = list(keys)
    else:
        full.settings["github"]["webhook_secrets"] = list(keys)


def sign_with(full: World, key: str) -> None:
    """Replace the current hook with a new one that signs with this key."""
    playground = full.playground
    for hook in playground.ask("GET", "hooks"):
        playground.ask("DELETE", f"hooks/{hook['id']}")
    url = f"http://127.0.0.1:{full.port}{playground.webhook_path}"
    if isinstance(playground, GitLabPlayground):
        playground.set_webhook(url, signing_token=key)
    else:
        playground.set_webhook(url, key)


def check_answer(full: World) -> None:
    """Post a command and wait for its answer."""
    before = len(full.bot_comments(1))
    full.say(1, "/status")
    full.settled()
    full.wait_for_more_comments(1, before)


def answers_to_comments(full: World) -> list[int]:
    """List the responses to comment deliveries of the current hook."""
    rows = [row for row in full.playground.deliveries() if row["event"] in COMMENTED]
    return [row["status_code"] for row in rows if row["status_code"]]


def test_both_secrets_are_accepted_until_the_old_one_is_removed(full: World) -> None:
    playground = full.playground
    old = playground.signing_token if isinstance(playground, GitLabPlayground) else playground.webhook_secret
    new = NEXT[playground.forge]
    accept(full, old, new)
    full.start()
    check_answer(full)

    sign_with(full, new)
    check_answer(full)

    full.stop(signal.SIGTERM)
    accept(full, new)
    full.start()
    sign_with(full, new)
    check_answer(full)
    # The old secret is no longer accepted, nor is a plain token if deliveries are signed.
    sign_with(full, old)
    full.say(1, "/status")
    assert eventually(lambda: answers_to_comments(full)) == [401]

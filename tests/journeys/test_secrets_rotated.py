"""A webhook's secret is replaced while people go on talking: no command is lost."""

import signal

import pytest

from tests.journeys.world import COMMENTED, World, eventually
from tests.support.playground_gitlab import GitLabPlayground

pytestmark = pytest.mark.alike

NEXT = {"github": "the next secret of this webhook", "gitlab": "whsec_" + "bmV4dA" * 8}


def accept(full: World, *keys: str) -> None:
    if isinstance(full.playground, GitLabPlayground):
        full.settings["gitlab"]["signing_tokens"] = list(keys)
    else:
        full.settings["github"]["webhook_secrets"] = list(keys)


def sign_with(full: World, key: str) -> None:
    """The hook that is there goes, another with this key comes."""
    playground = full.playground
    for hook in playground.ask("GET", "hooks"):
        playground.ask("DELETE", f"hooks/{hook['id']}")
    url = f"http://127.0.0.1:{full.port}{playground.webhook_path}"
    if isinstance(playground, GitLabPlayground):
        playground.set_webhook(url, signing_token=key)
    else:
        playground.set_webhook(url, key)


def heard(full: World) -> None:
    """A command said now is answered."""
    before = len(full.bot_comments(1))
    full.say(1, "/status")
    full.settled()
    full.says_more_than(1, before)


def answers_to_comments(full: World) -> list[int]:
    """Of those that the hook which is there now has told of."""
    rows = [row for row in full.playground.deliveries() if row["event"] in COMMENTED]
    return [row["status_code"] for row in rows if row["status_code"]]


def test_both_secrets_count_until_the_old_one_is_taken_away(full: World) -> None:
    playground = full.playground
    old = playground.signing_token if isinstance(playground, GitLabPlayground) else playground.webhook_secret
    new = NEXT[playground.forge]
    accept(full, old, new)
    full.start()
    heard(full)

    sign_with(full, new)
    heard(full)

    full.stop(signal.SIGTERM)
    accept(full, new)
    full.start()
    sign_with(full, new)
    heard(full)
    # And the old one counts no more, nor does a plain token where deliveries are signed.
    sign_with(full, old)
    full.say(1, "/status")
    assert eventually(lambda: answers_to_comments(full)) == [401]

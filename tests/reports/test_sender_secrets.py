"""The sender writes no secret to a forge, in any of its forms."""

import base64

import pytest

from bot.store.outbox import Outgoing
from tests.reports.run_outbox import CHANGE, Outbox
from tests.support.runtimes import TOKEN

FORMS = [TOKEN, base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode(), "ghp_" + "a1B2" * 9]


@pytest.mark.alike
@pytest.mark.parametrize("secret", FORMS, ids=["raw", "base64", "pattern of a token"])
@pytest.mark.parametrize("gap", ["", "\u200b"], ids=["whole", "with a gap"])
def test_no_secret_reaches_the_forge_in_a_title(messages: Outbox, secret: str, gap: str) -> None:
    messages.want(Outgoing.CHANGE, CHANGE | {"title": f"Use {secret[:9]}{gap}{secret[9:]}"})

    messages.send()

    [change] = messages.forge.changes
    assert "[redacted]" in change.title
    assert secret[12:24] not in change.title


@pytest.mark.alike
@pytest.mark.parametrize("secret", FORMS, ids=["raw", "base64", "pattern of a token"])
def test_no_secret_reaches_the_forge_in_a_comment_or_a_change(messages: Outbox, secret: str) -> None:
    words = f"Use {secret} there."
    messages.want(Outgoing.PROGRESS, {"text": words})
    messages.send()
    messages.want(Outgoing.REPLY, {"text": words})
    messages.want(Outgoing.CHANGE, CHANGE | {"body": words})
    messages.want(Outgoing.FINAL, {"lead": words, "rest": words})

    messages.send()

    written = [*messages.bodies, messages.forge.changes[0].body]
    assert len(written) == 4
    assert all("[redacted]" in text and secret[12:24] not in text for text in written)

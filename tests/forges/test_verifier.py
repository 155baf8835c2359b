"""The proof of a delivery at the receiver; `standardwebhooks` makes the signatures of GitLab."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from bot.domain.errors import BadSettings
from bot.forges.github.verifier import github_verifier
from bot.forges.gitlab.verifier import gitlab_verifier
from bot.store.ledger import Ledger
from tests.support.webhook_receiver import (
    BODY,
    GITHUB,
    GITLAB,
    NEXT_SECRET,
    SECRET,
    Hook,
    receiving,
    signature,
)


def signing_token(size: int = 32) -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(size)).decode()


TOKEN, NEXT_TOKEN, STRANGE_TOKEN = signing_token(), signing_token(24), signing_token(64)


@pytest.fixture
def github(sqlite_ledger: Ledger) -> Iterator[Hook]:
    with receiving(sqlite_ledger, GITHUB) as hook:
        yield hook


@pytest.fixture
def gitlab_with_secrets(sqlite_ledger: Ledger) -> Iterator[Hook]:
    """Start a receiver of GitLab with secret tokens only."""
    with receiving(sqlite_ledger, GITLAB) as hook:
        yield hook


@pytest.fixture
def gitlab_with_signing_tokens(sqlite_ledger: Ledger) -> Iterator[Hook]:
    """Start a receiver of GitLab with secret tokens and signing tokens."""
    sender = gitlab_verifier([SECRET], [TOKEN, NEXT_TOKEN])
    with receiving(sqlite_ledger, GITLAB, sender=sender) as hook:
        yield hook


def signed_headers(
    body: bytes = BODY, *, token: str = TOKEN, message: str = "m-1", off: float = 0, **changed: str | None
) -> dict[str, str]:
    """Return the headers of a delivery signed `off` seconds from now, with the secret token."""
    at = datetime.now(UTC) + timedelta(seconds=off)
    usual: dict[str, str | None] = {
        "idempotency_key": message,
        "webhook_id": message,
        "webhook_timestamp": str(int(at.timestamp())),
        "webhook_signature": Webhook(token).sign(message, at, body.decode()),
        "x_gitlab_event": "Note Hook",
        "x_gitlab_token": SECRET,
        "content_type": "application/json",
    }
    merged = usual | changed
    return {name.replace("_", "-"): value for name, value in merged.items() if value is not None}


def test_the_signature_in_githubs_documentation_is_accepted() -> None:
    given = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert GITHUB.sender.authentic({b"x-hub-signature-256": given}, b"Hello, World!")


def test_github_may_sign_with_any_of_several_secrets(github: Hook) -> None:
    assert github.post(proof=signature(BODY, NEXT_SECRET)).status_code == 202


def test_a_delivery_without_a_valid_github_signature_gets_401_and_is_not_stored(github: Hook) -> None:
    given = [
        None,
        "",
        "sha256=",
        signature(BODY)[:-1],
        signature(BODY).upper(),
        signature(BODY).removeprefix("sha256="),
        signature(b"another body"),
        signature(BODY, "a secret nobody here knows"),
        "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest(),
        "sha256=" + "\u00e9" * 64,
    ]

    answers = [github.post(proof=one).status_code for one in given]

    assert answers == [401] * len(given)
    assert github.recorded() == []


def test_a_sha1_signature_alone_is_not_accepted(github: Hook) -> None:
    old = "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()

    assert github.post(proof=None, x_hub_signature=old).status_code == 401


def test_a_github_delivery_without_an_id_or_an_event_gets_400(github: Hook) -> None:
    assert github.post(id=None).status_code == 400
    assert github.post(event=None).status_code == 400


def test_gitlab_may_send_any_of_several_secret_tokens(gitlab_with_secrets: Hook) -> None:
    assert gitlab_with_secrets.post(proof=SECRET, id="a").status_code == 202
    assert gitlab_with_secrets.post(proof=NEXT_SECRET, id="b").status_code == 202


def test_a_delivery_without_a_valid_gitlab_secret_token_gets_401_and_is_not_stored(
    gitlab_with_secrets: Hook,
) -> None:
    given = [None, "", SECRET[:-1], SECRET + " and more", SECRET.upper(), "\u00e9" * 26]

    answers = [gitlab_with_secrets.post(proof=one).status_code for one in given]

    assert answers == [401] * len(given)
    assert gitlab_with_secrets.recorded() == []


def test_a_signature_does_not_replace_the_secret_token_if_no_signing_token_is_configured(
    gitlab_with_secrets: Hook,
) -> None:
    assert gitlab_with_secrets.send(signed_headers(x_gitlab_token=None)).status_code == 401
    assert gitlab_with_secrets.send(signed_headers()).status_code == 202


def test_two_deliveries_with_one_idempotency_key_are_stored_once(gitlab_with_secrets: Hook) -> None:
    twice = [
        gitlab_with_secrets.post(id="k-1", x_gitlab_webhook_uuid=each).status_code for each in ("u-1", "u-2")
    ]

    assert twice == [202, 202]
    assert [delivery for delivery, _, _ in gitlab_with_secrets.recorded()] == ["k-1"]


def test_a_repeated_delivery_without_an_id_from_an_old_gitlab_is_stored_once(
    gitlab_with_secrets: Hook,
) -> None:
    other = b'{"action": "other"}'

    answers = [gitlab_with_secrets.post(body, id=None).status_code for body in (BODY, other, BODY)]

    assert answers == [202] * 3
    assert [body for _, _, body in sorted(gitlab_with_secrets.recorded(), key=lambda row: row[2])] == [
        BODY,
        other,
    ]


def test_the_webhook_id_is_the_id_of_a_delivery_without_an_idempotency_key(gitlab_with_secrets: Hook) -> None:
    gitlab_with_secrets.post(id=None, webhook_id="w-1")

    assert [delivery for delivery, _, _ in gitlab_with_secrets.recorded()] == ["w-1"]


def test_a_signed_delivery_is_stored_under_its_signed_id(gitlab_with_signing_tokens: Hook) -> None:
    body = '{"note": "caf\u00e9 \u2713"}\n'.encode()

    assert (
        gitlab_with_signing_tokens.send(signed_headers(body, idempotency_key="k-1"), body).status_code == 202
    )
    assert gitlab_with_signing_tokens.recorded() == [("m-1", "Note Hook", body)]


def test_gitlab_may_sign_with_any_of_several_signing_tokens(gitlab_with_signing_tokens: Hook) -> None:
    assert gitlab_with_signing_tokens.send(signed_headers(token=NEXT_TOKEN)).status_code == 202


def test_one_valid_signature_of_several_is_enough(gitlab_with_signing_tokens: Hook) -> None:
    strange, true = (signed_headers(token=token)["webhook-signature"] for token in (STRANGE_TOKEN, TOKEN))

    assert (
        gitlab_with_signing_tokens.send(
            signed_headers(webhook_signature=f"{strange} v1a,AAAA {true}")
        ).status_code
        == 202
    )


@pytest.mark.parametrize("off", [-290, 290])
def test_a_signature_is_accepted_if_the_clocks_differ_by_less_than_five_minutes(
    gitlab_with_signing_tokens: Hook, off: float
) -> None:
    assert gitlab_with_signing_tokens.send(signed_headers(off=off)).status_code == 202


def test_a_delivery_without_a_valid_and_recent_signature_gets_401_and_is_not_stored(
    gitlab_with_signing_tokens: Hook,
) -> None:
    true = signed_headers()["webhook-signature"]
    given = {
        "another token": signed_headers(token=STRANGE_TOKEN),
        "another body": signed_headers(b"{}"),
        "another id": signed_headers(webhook_id="m-2"),
        "another time": signed_headers(webhook_timestamp=str(int(datetime.now(UTC).timestamp()) - 9)),
        "too old": signed_headers(off=-310),
        "too new": signed_headers(off=310),
        "no time": signed_headers(webhook_timestamp="now"),
        "a long time": signed_headers(webhook_timestamp="9" * 5_000),
        "empty": signed_headers(webhook_signature=""),
        "another version": signed_headers(webhook_signature=true.replace("v1,", "v2,")),
        "no version": signed_headers(webhook_signature=true.removeprefix("v1,")),
        "cut": signed_headers(webhook_signature=true[:-1]),
        "no ASCII": signed_headers(webhook_signature="v1,\u00e9"),
        "no signature": signed_headers(webhook_signature=None),
        "no timestamp": signed_headers(webhook_timestamp=None),
        "no id": signed_headers(webhook_id=None),
        "the secret token alone": GITLAB.headers(BODY),
    }

    answers = {name: gitlab_with_signing_tokens.send(headers).status_code for name, headers in given.items()}

    assert answers == dict.fromkeys(given, 401)
    assert gitlab_with_signing_tokens.recorded() == []


def test_a_replay_under_another_idempotency_key_is_the_same_delivery(
    gitlab_with_signing_tokens: Hook,
) -> None:
    replayed = [signed_headers(), signed_headers(idempotency_key="k-2"), signed_headers(idempotency_key=None)]

    assert [gitlab_with_signing_tokens.send(headers).status_code for headers in replayed] == [202] * 3
    assert [delivery for delivery, _, _ in gitlab_with_signing_tokens.recorded()] == ["m-1"]


@pytest.mark.parametrize("twice", ["webhook-id", "webhook-timestamp", "webhook-signature", "idempotency-key"])
def test_a_request_that_repeats_a_header_of_the_webhook_gets_400(
    gitlab_with_signing_tokens: Hook, twice: str
) -> None:
    given = signed_headers() | {"host": "x", "connection": "close", "content-length": str(len(BODY))}
    lines = [f"{name}: {value}" for name, value in [*given.items(), (twice, given[twice])]]
    request = f"POST {gitlab_with_signing_tokens.path} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"

    assert gitlab_with_signing_tokens.raw(request.encode() + BODY).startswith(b"HTTP/1.1 400 ")
    assert gitlab_with_signing_tokens.recorded() == []


@pytest.mark.parametrize("given", [[], ["fifteen letters"], [SECRET, ""]])
def test_a_verifier_needs_secrets_of_at_least_sixteen_characters(given: list[str]) -> None:
    with pytest.raises(BadSettings, match=r"\[github\] webhook_secrets .*openssl rand -hex 32"):
        github_verifier(given)
    with pytest.raises(BadSettings, match=r"\[gitlab\] .*webhook_secrets .*openssl rand -hex 32"):
        gitlab_verifier(given, [])


def test_a_short_secret_is_refused_even_if_there_is_a_signing_token() -> None:
    with pytest.raises(BadSettings, match="less than 16 characters"):
        gitlab_verifier(["short"], [TOKEN])


@pytest.mark.parametrize(
    "token",
    [
        "",
        "whsec_",
        SECRET,
        TOKEN.removeprefix("whsec_"),
        TOKEN.replace("whsec_", "WHSEC_"),
        "whsec_" + "not base64 !" * 4,
        signing_token(23),
        signing_token(65),
    ],
    # Fixed ids, because each process that runs the tests makes its own keys.
    ids=["empty", "no key", "a secret", "no prefix", "capitals", "not base64", "too short", "too long"],
)
def test_an_invalid_signing_token_is_refused_without_quoting_it(token: str) -> None:
    with pytest.raises(BadSettings, match=r"base64 of 24 to 64 bytes") as caught:
        gitlab_verifier([], [TOKEN, token])

    assert len(token) < 8 or token not in str(caught.value)

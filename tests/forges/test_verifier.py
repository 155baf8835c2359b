"""Who may have sent a delivery, at the receiver's own door; the outside signer is `standardwebhooks`."""

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


def a_token(size: int = 32) -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(size)).decode()


TOKEN, NEXT_TOKEN, STRANGE_TOKEN = a_token(), a_token(24), a_token(64)


@pytest.fixture
def github(sqlite_ledger: Ledger) -> Iterator[Hook]:
    with receiving(sqlite_ledger, GITHUB) as hook:
        yield hook


@pytest.fixture
def plain(sqlite_ledger: Ledger) -> Iterator[Hook]:
    """GitLab's, where only secret tokens are configured."""
    with receiving(sqlite_ledger, GITLAB) as hook:
        yield hook


@pytest.fixture
def signed(sqlite_ledger: Ledger) -> Iterator[Hook]:
    """GitLab's, where secret tokens and signing tokens are configured."""
    sender = gitlab_verifier([SECRET], [TOKEN, NEXT_TOKEN])
    with receiving(sqlite_ledger, GITLAB, sender=sender) as hook:
        yield hook


def signing(
    body: bytes = BODY, *, token: str = TOKEN, message: str = "m-1", off: float = 0, **changed: str | None
) -> dict[str, str]:
    """The headers of a delivery that GitLab signed `off` seconds from now, the secret token among them."""
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


def test_the_signature_is_the_one_of_githubs_own_example() -> None:
    given = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert GITHUB.sender.authentic({b"x-hub-signature-256": given}, b"Hello, World!")


def test_each_of_several_secrets_is_good_at_github(github: Hook) -> None:
    assert github.post(proof=signature(BODY, NEXT_SECRET)).status_code == 202


def test_without_a_true_signature_github_gets_401_and_nothing_is_kept(github: Hook) -> None:
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


def test_the_old_signature_alone_is_not_enough(github: Hook) -> None:
    old = "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()

    assert github.post(proof=None, x_hub_signature=old).status_code == 401


def test_github_names_every_delivery_and_one_without_a_name_is_400(github: Hook) -> None:
    assert github.post(id=None).status_code == 400
    assert github.post(event=None).status_code == 400


def test_each_of_several_secret_tokens_is_good_at_gitlab(plain: Hook) -> None:
    assert plain.post(proof=SECRET, id="a").status_code == 202
    assert plain.post(proof=NEXT_SECRET, id="b").status_code == 202


def test_without_a_secret_token_of_ours_gitlab_gets_401_and_nothing_is_kept(plain: Hook) -> None:
    given = [None, "", SECRET[:-1], SECRET + " and more", SECRET.upper(), "\u00e9" * 26]

    answers = [plain.post(proof=one).status_code for one in given]

    assert answers == [401] * len(given)
    assert plain.recorded() == []


def test_a_signature_does_not_replace_the_secret_token_where_no_signing_token_is_known(plain: Hook) -> None:
    assert plain.send(signing(x_gitlab_token=None)).status_code == 401
    assert plain.send(signing()).status_code == 202


def test_what_gitlab_sends_again_under_its_key_is_kept_once(plain: Hook) -> None:
    twice = [plain.post(id="k-1", x_gitlab_webhook_uuid=each).status_code for each in ("u-1", "u-2")]

    assert twice == [202, 202]
    assert [delivery for delivery, _, _ in plain.recorded()] == ["k-1"]


def test_a_delivery_of_an_old_gitlab_has_no_id_and_its_duplicate_is_recorded_once(plain: Hook) -> None:
    other = b'{"action": "other"}'

    answers = [plain.post(body, id=None).status_code for body in (BODY, other, BODY)]

    assert answers == [202] * 3
    assert [body for _, _, body in sorted(plain.recorded(), key=lambda row: row[2])] == [BODY, other]


def test_a_webhook_id_will_do_where_there_is_no_idempotency_key(plain: Hook) -> None:
    plain.post(id=None, webhook_id="w-1")

    assert [delivery for delivery, _, _ in plain.recorded()] == ["w-1"]


def test_what_gitlab_signed_is_kept_under_the_id_it_signed(signed: Hook) -> None:
    body = '{"note": "caf\u00e9 \u2713"}\n'.encode()

    assert signed.send(signing(body, idempotency_key="k-1"), body).status_code == 202
    assert signed.recorded() == [("m-1", "Note Hook", body)]


def test_each_of_several_signing_tokens_is_good(signed: Hook) -> None:
    assert signed.send(signing(token=NEXT_TOKEN)).status_code == 202


def test_one_valid_signature_of_several_is_enough(signed: Hook) -> None:
    strange, true = (signing(token=token)["webhook-signature"] for token in (STRANGE_TOKEN, TOKEN))

    assert signed.send(signing(webhook_signature=f"{strange} v1a,AAAA {true}")).status_code == 202


@pytest.mark.parametrize("off", [-290, 290])
def test_a_clock_may_be_a_little_off(signed: Hook, off: float) -> None:
    assert signed.send(signing(off=off)).status_code == 202


def test_without_a_true_and_fresh_signature_gitlab_gets_401_and_nothing_is_kept(signed: Hook) -> None:
    true = signing()["webhook-signature"]
    given = {
        "another token": signing(token=STRANGE_TOKEN),
        "another body": signing(b"{}"),
        "another id": signing(webhook_id="m-2"),
        "another time": signing(webhook_timestamp=str(int(datetime.now(UTC).timestamp()) - 9)),
        "too old": signing(off=-310),
        "too new": signing(off=310),
        "no time": signing(webhook_timestamp="now"),
        "a long time": signing(webhook_timestamp="9" * 5_000),
        "empty": signing(webhook_signature=""),
        "another version": signing(webhook_signature=true.replace("v1,", "v2,")),
        "no version": signing(webhook_signature=true.removeprefix("v1,")),
        "cut": signing(webhook_signature=true[:-1]),
        "no ASCII": signing(webhook_signature="v1,\u00e9"),
        "no signature": signing(webhook_signature=None),
        "no timestamp": signing(webhook_timestamp=None),
        "no id": signing(webhook_id=None),
        "the secret token alone": GITLAB.headers(BODY),
    }

    answers = {name: signed.send(headers).status_code for name, headers in given.items()}

    assert answers == dict.fromkeys(given, 401)
    assert signed.recorded() == []


def test_a_replay_under_another_idempotency_key_is_the_same_delivery(signed: Hook) -> None:
    replayed = [signing(), signing(idempotency_key="k-2"), signing(idempotency_key=None)]

    assert [signed.send(headers).status_code for headers in replayed] == [202] * 3
    assert [delivery for delivery, _, _ in signed.recorded()] == ["m-1"]


@pytest.mark.parametrize("twice", ["webhook-id", "webhook-timestamp", "webhook-signature", "idempotency-key"])
def test_a_header_that_counts_may_not_stand_twice(signed: Hook, twice: str) -> None:
    given = signing() | {"host": "x", "connection": "close", "content-length": str(len(BODY))}
    lines = [f"{name}: {value}" for name, value in [*given.items(), (twice, given[twice])]]
    request = f"POST {signed.path} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"

    assert signed.raw(request.encode() + BODY).startswith(b"HTTP/1.1 400 ")
    assert signed.recorded() == []


@pytest.mark.parametrize("given", [[], ["fifteen letters"], [SECRET, ""]])
def test_without_a_secret_of_sixteen_characters_there_is_no_sender(given: list[str]) -> None:
    with pytest.raises(BadSettings, match=r"\[github\] webhook_secrets .*openssl rand -hex 32"):
        github_verifier(given)
    with pytest.raises(BadSettings, match=r"\[gitlab\] .*webhook_secrets .*openssl rand -hex 32"):
        gitlab_verifier(given, [])


def test_a_short_secret_is_refused_beside_a_signing_token_too() -> None:
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
        a_token(23),
        a_token(65),
    ],
    # Names of their own: two processes that run the tests make two keys.
    ids=["empty", "no key", "a secret", "no prefix", "capitals", "no base64", "too short", "too long"],
)
def test_an_invalid_signing_token_is_refused_without_quoting_it(token: str) -> None:
    with pytest.raises(BadSettings, match=r"base64 of 24 to 64 bytes") as caught:
        gitlab_verifier([], [TOKEN, token])

    assert len(token) < 8 or token not in str(caught.value)

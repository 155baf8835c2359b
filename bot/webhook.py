"""Where deliveries arrive: `POST /webhooks/github`.

Says nothing about meaning. GitHub waits ten seconds and never sends again by
itself, so the only questions here are whether it is really GitHub that spoke,
and whether the ledger has it. A plain ASGI endpoint: a Request object per
delivery would cost as much as the signature.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.errors import BadSettings
from bot.intake import Intake, NotJSON, NotRecorded, check
from bot.store.deliveries import Delivery

log = structlog.get_logger()

SHORTEST_SECRET = 16  # characters

_DELIVERY_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_EVENT = re.compile(rb"[a-z0-9_]{1,64}")
# Twice any of these, and the two ends might not agree on which one counts.
_ONCE = frozenset(
    {
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"x-github-delivery",
        b"x-github-event",
        b"x-hub-signature-256",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """What a delivery must fulfil. Raises BadSettings without a secret worth the name."""

    secrets: Sequence[str]  # several while one is being replaced by the next
    body_cap: int  # bytes
    read_deadline: float  # seconds for the whole body
    interesting: frozenset[str]  # events worth keeping; the others are answered and forgotten

    def __post_init__(self) -> None:
        if not self.secrets:
            raise BadSettings(
                "[github] webhook_secrets is empty, so anyone could give orders. Make a secret with "
                "`openssl rand -hex 32` and put the same one here and in the webhook's settings on the forge."
            )
        if any(len(secret) < SHORTEST_SECRET for secret in self.secrets):
            raise BadSettings(
                f"[github] webhook_secrets holds one of less than {SHORTEST_SECRET} characters, which can be "
                "guessed. Make a new one with `openssl rand -hex 32`, here and in the webhook's settings."
            )


class Refused(Exception):
    """The answer to a delivery that is not taken, with the status and words for its sender."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def routes(receiver: Receiver, intake: Intake, counted: Callable[[int], None]) -> list[Route]:
    """The receiver's routes. `counted` hears the status of every answer."""
    return [Route("/webhooks/github", GitHubHook(receiver, intake, counted), methods=["POST"])]


class GitHubHook:
    """The ASGI endpoint of GitHub's deliveries."""

    def __init__(self, receiver: Receiver, intake: Intake, counted: Callable[[int], None]) -> None:
        self._receiver = receiver
        self._intake = intake
        self._counted = counted
        self._keys = [secret.encode() for secret in receiver.secrets]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = {}
        status, words = 202, "accepted"
        try:
            self._read_headers(scope["headers"], headers)
            await self._take(headers, await self._read(receive))
        except Refused as refused:
            status, words = refused.status, str(refused)
            delivery = headers.get(b"x-github-delivery", b"").decode("latin-1")[:128]
            log.warning("delivery refused", status=status, reason=words, delivery=delivery)
        self._counted(status)
        await _answer(send, status, words)

    def _read_headers(self, raw: Sequence[tuple[bytes, bytes]], headers: dict[bytes, bytes]) -> None:
        """Refuse what can be refused before a byte of the body is read."""
        for name, value in raw:
            if name in _ONCE and name in headers:
                raise Refused(400, f"more than one {name.decode()} header")
            headers[name] = value
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise Refused(400, "content-length is not a number")
        if int(length) > self._receiver.body_cap:
            raise Refused(413, f"body larger than {self._receiver.body_cap} bytes")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refused(415, "compressed bodies are not taken")
        if b"x-hub-signature-256" not in headers:
            raise Refused(401, "no X-Hub-Signature-256: set a secret in the webhook's settings")

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._receiver.read_deadline):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refused(400, "the sender hung up before the end of the body")
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > self._receiver.body_cap:
                        raise Refused(413, f"body larger than {self._receiver.body_cap} bytes")
                    more = message.get("more_body", False)
        except TimeoutError as error:
            raise Refused(408, f"body not here within {self._receiver.read_deadline:g} s") from error
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _take(self, headers: dict[bytes, bytes], body: bytes) -> None:
        """Return when the delivery is safe, or need not be; raise Refused otherwise."""
        if not signed(self._keys, body, headers[b"x-hub-signature-256"]):
            raise Refused(401, "the signature does not match: is it the same secret on both sides?")
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise Refused(
                415, "set the webhook's content type to application/json in its settings on the forge"
            )
        delivery_id = headers.get(b"x-github-delivery", b"")
        event = headers.get(b"x-github-event", b"")
        if not _DELIVERY_ID.fullmatch(delivery_id) or not _EVENT.fullmatch(event):
            raise Refused(
                400, "X-GitHub-Delivery or X-GitHub-Event is missing, or not one that GitHub would send"
            )
        try:
            if event.decode() in self._receiver.interesting:
                delivery = Delivery(forge="github", id=delivery_id.decode(), event=event.decode(), body=body)
                await self._intake.submit(delivery)
            elif error := await asyncio.to_thread(check, body):
                raise error
        except NotJSON as error:
            raise Refused(400, f"the body cannot be read: {error}") from error
        except NotRecorded as error:
            raise Refused(503, f"not recorded: {error}; send it again") from error


def signed(keys: Sequence[bytes], body: bytes, given: bytes) -> bool:
    """Whether `given` is GitHub's HMAC-SHA256 of the raw body under one of the keys, in constant time.

    Form: `sha256=` and 64 hex digits, as https://docs.github.com/webhooks describes
    under "Validating webhook deliveries". The SHA-1 header beside it is never looked at.
    """
    held = False
    for key in keys:  # all of them: the time must not tell which one it was
        expected = b"sha256=" + hmac.digest(key, body, hashlib.sha256).hex().encode()
        held |= hmac.compare_digest(expected, given)
    return held


async def _answer(send: Send, status: int, words: str) -> None:
    body = words.encode() + b"\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    if status in {408, 413}:  # the rest of the body is still on its way and not wanted
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

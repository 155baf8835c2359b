"""The webhook receiver: `POST /webhooks/<forge>`.

It does not interpret the payload. A forge waits ten seconds for the answer and
never sends a delivery again by itself, so only two things matter here: that the
delivery comes from the forge, and that the ledger has it. The endpoint is plain
ASGI, because a Request object for each delivery costs as much as the signature.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.forges.verifier import WebhookVerifier
from bot.store.deliveries import Delivery
from bot.web.body_limits import SMALL, BodyLimits, BodyReservation, TooManyBodies
from bot.web.json_body import LARGE, LargeBodies, NotChecked, NotJSON, json_error
from bot.web.recorder import Intake, NotRecorded

log = structlog.get_logger()

_DELIVERY_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
# Headers that may occur once only: of two, we and a proxy might each use another one.
_ONCE = frozenset({b"content-encoding", b"content-length", b"content-type"})
_BUSY = "too many deliveries arrive at the moment; send it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """The conditions for accepting deliveries of one forge."""

    verifier: WebhookVerifier
    body_cap: int  # bytes
    read_deadline: float  # seconds for the whole body
    events: frozenset[str]  # events to record; others are accepted and dropped


class DeliveryRefused(Exception):
    """The delivery is not accepted: HTTP status, and the reason as a text for its sender."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def routes(receivers: Sequence[Receiver], intake: Intake, count: Callable[[int], None]) -> list[Route]:
    """Return a route for each receiver. `count` is called with the HTTP status of every answer."""
    limits = BodyLimits(max((each.body_cap for each in receivers), default=0))
    large = LargeBodies()
    return [
        Route(
            f"/webhooks/{each.verifier.forge}",
            WebhookEndpoint(each, intake, count, limits, large),
            methods=["POST"],
        )
        for each in receivers
    ]


class WebhookEndpoint:
    """The ASGI endpoint for the deliveries of one forge."""

    def __init__(
        self,
        receiver: Receiver,
        intake: Intake,
        count: Callable[[int], None],
        limits: BodyLimits,
        large: LargeBodies,
    ) -> None:
        self._receiver = receiver
        self._verifier = receiver.verifier
        self._once = _ONCE | receiver.verifier.once
        self._intake = intake
        self._count = count
        self._limits = limits
        self._large = large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = {}
        reservation = BodyReservation()
        status, text = 202, "accepted"
        try:
            await self._fit(reservation, self._read_headers(scope["headers"], headers))
            await self._accept(headers, await self._read_body(receive, reservation))
        except DeliveryRefused as refused:
            status, text = refused.status, str(refused)
            named = next((headers[name] for name in self._verifier.ids if name in headers), b"")
            delivery = named.decode("latin-1")[:128]
            forge = self._verifier.forge
            log.warning("delivery refused", forge=forge, status=status, reason=text, delivery=delivery)
        finally:
            self._limits.release(reservation)
        self._count(status)
        await _answer(send, status, text)

    def _read_headers(self, raw: Sequence[tuple[bytes, bytes]], headers: dict[bytes, bytes]) -> int:
        """Fill `headers`; return the declared number of bytes of the body, 0 if it is unknown.

        Raises DeliveryRefused if the headers rule the delivery out before its body is read.
        """
        for name, value in raw:
            if name in self._once and name in headers:
                raise DeliveryRefused(400, f"more than one {name.decode()} header")
            headers[name] = value
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise DeliveryRefused(400, "content-length is not a number")
        if int(length) > self._receiver.body_cap:
            raise DeliveryRefused(413, f"body larger than {self._receiver.body_cap} bytes")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise DeliveryRefused(415, "compressed bodies are not accepted")
        if not self._verifier.proof <= headers.keys():
            raise DeliveryRefused(401, self._verifier.missing)
        return int(length)

    async def _fit(self, reservation: BodyReservation, size: int) -> None:
        try:
            await self._limits.fit(reservation, size)
        except TooManyBodies as error:
            raise DeliveryRefused(503, _BUSY) from error

    async def _read_body(self, receive: Receive, reservation: BodyReservation) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._receiver.read_deadline) as reservation.limit:
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise DeliveryRefused(
                            400, "the sender closed the connection before the end of the body"
                        )
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > self._receiver.body_cap:
                        raise DeliveryRefused(413, f"body larger than {self._receiver.body_cap} bytes")
                    if size > SMALL:  # its length may be unknown
                        await self._fit(reservation, self._receiver.body_cap)
                    more = message.get("more_body", False)
        except TimeoutError as error:
            if reservation.given_up:
                raise DeliveryRefused(503, _BUSY) from error
            raise DeliveryRefused(
                408, f"the body did not arrive within {self._receiver.read_deadline:g} s"
            ) from error
        finally:
            reservation.limit = None
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _authentic(self, headers: dict[bytes, bytes], body: bytes) -> bool:
        if len(body) > LARGE:  # a signature of 24 MiB stopped every other request for 50 ms
            return await asyncio.to_thread(self._verifier.authentic, headers, body)
        return self._verifier.authentic(headers, body)

    async def _accept(self, headers: dict[bytes, bytes], body: bytes) -> None:
        """Return once the delivery is in the ledger, or need not be recorded. Raises DeliveryRefused."""
        verifier = self._verifier
        if not await self._authentic(headers, body):
            raise DeliveryRefused(401, verifier.wrong)
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise DeliveryRefused(
                415, "set the webhook's content type to application/json in its settings on the forge"
            )
        delivery_id, event = verifier.delivery_id(headers, body), headers.get(verifier.event, b"")
        if not _DELIVERY_ID.fullmatch(delivery_id) or not verifier.event_form.fullmatch(event):
            names = " or ".join(name.decode() for name in (*verifier.ids, verifier.event))
            raise DeliveryRefused(400, f"{names} is missing, or does not look as {verifier.forge} sends it")
        try:
            if len(body) > LARGE and (error := await self._large.error(body)):
                raise error
            if event.decode() in self._receiver.events:
                delivery = Delivery(
                    forge=verifier.forge, id=delivery_id.decode(), event=event.decode(), body=body
                )
                await self._intake.submit(delivery)
            elif len(body) <= LARGE and (error := await asyncio.to_thread(json_error, body)):
                raise error
        except NotJSON as error:
            raise DeliveryRefused(400, f"the body is invalid: {error}") from error
        except NotChecked as error:
            raise DeliveryRefused(503, f"the body could not be checked: {error}; send it again") from error
        except NotRecorded as error:
            raise DeliveryRefused(503, f"not recorded: {error}; send it again") from error


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode() + b"\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    if status in {408, 413, 503}:  # do not wait for the rest of the body
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""A receiver on a real port, called in the dialect of a forge."""

import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from sqlalchemy import select

from bot.forges.github.verifier import github_verifier
from bot.forges.gitlab.verifier import gitlab_verifier
from bot.forges.verifier import WebhookVerifier
from bot.store.ledger import Ledger
from bot.store.schema import deliveries
from bot.web.receiver import Receiver, routes
from bot.web.recorder import Intake
from bot.web.server import application
from tests.support import http
from tests.support.asgi_server import listening

SECRET, NEXT_SECRET = "It's a Secret to Everybody", "another secret of the same webhook"
CAP = 100_000
BODY = json.dumps({"action": "created"}).encode()


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A forge's names for the headers of a delivery, and a valid value for each."""

    sender: WebhookVerifier
    proof: str
    id: str
    event: str
    recorded: str  # an event type that the receiver records
    ignored: str
    prove: Callable[[bytes], str]

    def headers(self, body: bytes, **changed: str | None) -> dict[str, str]:
        """Return the headers of a valid delivery, changed as given (`id`, `content_type`).

        None leaves one out.
        """
        usual: dict[str, str | None] = {
            "content_type": "application/json",
            "id": "d-1",
            "event": self.recorded,
            "proof": self.prove(body),
        }
        own: Mapping[str, str] = {"id": self.id, "event": self.event, "proof": self.proof}
        merged = {**usual, **changed}
        return {
            own.get(name, name.replace("_", "-")): value
            for name, value in merged.items()
            if value is not None
        }


GITHUB = Dialect(
    sender=github_verifier([SECRET, NEXT_SECRET]),
    proof="x-hub-signature-256",
    id="x-github-delivery",
    event="x-github-event",
    recorded="issue_comment",
    ignored="push",
    prove=signature,
)
GITLAB = Dialect(
    sender=gitlab_verifier([SECRET, NEXT_SECRET], []),
    proof="x-gitlab-token",
    id="idempotency-key",
    event="x-gitlab-event",
    recorded="Note Hook",
    ignored="Push Hook",
    prove=lambda _body: SECRET,
)


@dataclass
class Hook:
    """A running receiver, and its effects as seen from outside."""

    dialect: Dialect
    address: tuple[str, int]
    ledger: Ledger
    counted: list[int] = field(default_factory=list)
    nudged: list[tuple[str, str]] = field(default_factory=list)

    def post(self, body: bytes = BODY, **changed: str | None) -> httpx.Response:
        """Send a valid delivery with the headers changed as given. None leaves one out."""
        return self.send(self.dialect.headers(body, **changed), body)

    def send(self, headers: Mapping[str, str], body: bytes = BODY) -> httpx.Response:
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        # Plain HTTP, because loading the certificates for TLS takes longer than everything else.
        return http.post(self.url, content=body, headers=sent)

    @property
    def path(self) -> str:
        return f"/webhooks/{self.dialect.sender.forge}"

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address) + self.path

    def recorded(self) -> list[tuple[str, str, bytes]]:
        with self.ledger.read() as tx:
            rows = tx.execute(select(deliveries.c.id, deliveries.c.event, deliveries.c.body))
            return [(row.id, row.event, row.body) for row in rows]

    def head(self, length: int | None, body: bytes = BODY, **changed: str | None) -> bytes:
        """Return the head of a delivery of this length; None: the body comes in chunks."""
        framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        lines = [f"{name}: {value}" for name, value in self.dialect.headers(body, **changed).items()]
        return "\r\n".join([f"POST {self.path} HTTP/1.1", "host: h", framing, *lines, "", ""]).encode()

    def raw(self, request: bytes) -> bytes:
        """Send these bytes and return the receiver's whole answer, until it closes the connection."""
        with socket.create_connection(self.address, timeout=20) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@contextmanager
def receiving(
    ledger: Ledger,
    dialect: Dialect,
    *,
    sender: WebhookVerifier | None = None,
    read_deadline: float = 20,
    body_cap: int = CAP,
    interesting: frozenset[str] = frozenset(),
) -> Iterator[Hook]:
    """Receive deliveries during the block, verified by `sender` or by the dialect's verifier.

    Events in `interesting` are recorded; by default, those of the dialect's own type.
    """
    hook = Hook(dialect, ("", 0), ledger)
    intake = Intake(ledger, lambda forge, delivery: hook.nudged.append((forge, delivery)))
    receiver = Receiver(
        verifier=sender or dialect.sender,
        body_cap=body_cap,
        read_deadline=read_deadline,
        events=interesting or frozenset({dialect.recorded}),
    )
    intake.start()
    try:
        with listening(application(routes([receiver], intake, hook.counted.append))) as address:
            hook.address = address
            yield hook
    finally:
        intake.stop()

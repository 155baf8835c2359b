"""Signed webhooks: told in order for each repository, recorded, never repeated by themselves.

That last is GitHub's way: what the receiver loses stays lost until somebody
asks for the same delivery again.
"""

import hashlib
import hmac
import http.client
import json
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from bot.playground import shapes
from bot.playground.state import Hook, Repository, State, now

PATIENCE = 10.0  # seconds GitHub waits for an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt. Attempts with the same guid are the same delivery."""

    id: int
    guid: str
    hook: Hook
    event: str
    action: str | None
    body: bytes
    dress: Callable[["Delivery"], dict[str, str]]  # the headers it is sent with, signature and all
    redelivery: bool = False
    delivered_at: str = ""
    duration: float = 0.0  # seconds
    status: int = 0  # 0: nobody answered


@dataclass(slots=True)
class Sender:
    """Tells hooks what happened, from one thread a repository, whichever forge's."""

    state: State
    # In memory only: nobody redelivers across a restart, and bodies would swell the file.
    deliveries: deque[Delivery] = field(default_factory=lambda: deque(maxlen=1000))
    queues: dict[int, queue.SimpleQueue[Delivery]] = field(default_factory=dict)

    def tell(self, where: Repository, sender: str, event: str, payload: dict[str, Any]) -> None:
        """Queue `event` for every hook of GitHub's side of the repository that wants it."""
        for hook in self.state.all(Hook, lambda hook: (hook.repository, hook.forge) == (where.id, "github")):
            if "*" in hook.events or event in hook.events:
                self.tell_one(hook, where, sender=sender, event=event, payload=payload)

    def tell_one(
        self, hook: Hook, where: Repository, *, sender: str, event: str, payload: dict[str, Any]
    ) -> None:
        whole = {
            **payload,
            "repository": shapes.repository(self.state, where),
            "sender": shapes.user(self.state, sender),
        }
        delivery = Delivery(
            id=self.state.new_id(),
            guid=str(uuid.uuid4()),
            hook=hook,
            event=event,
            action=payload.get("action"),
            body=json.dumps(whole).encode(),
            dress=headers,
        )
        self.put(delivery)

    def redeliver(self, delivery: Delivery) -> None:
        self.put(self.again(delivery))

    def again(self, delivery: Delivery) -> Delivery:
        """The same bytes under the same guid, to be signed with the hook's present secret."""
        hook = self.state.get(Hook, delivery.hook.id) or delivery.hook
        return replace(delivery, id=self.state.new_id(), hook=hook, redelivery=True)

    def put(self, delivery: Delivery) -> None:
        if delivery.hook.repository not in self.queues:
            waiting = self.queues[delivery.hook.repository] = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(waiting,), name="webhooks", daemon=True).start()
        self.queues[delivery.hook.repository].put(delivery)

    def _work(self, waiting: queue.SimpleQueue[Delivery]) -> None:
        while True:
            self.send(waiting.get())

    def send(self, delivery: Delivery) -> int:
        """Send it now, past what waits; the receiver's status, 0 where nobody answered."""
        began, at = time.monotonic(), now()
        status = _post(delivery)
        done = replace(delivery, delivered_at=at, duration=time.monotonic() - began, status=status)
        self.deliveries.append(done)
        return status


def headers(delivery: Delivery) -> dict[str, str]:
    hook = delivery.hook
    return {
        "Accept": "*/*", "Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/playground",
        "X-GitHub-Delivery": delivery.guid, "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(hook.id), "X-GitHub-Hook-Installation-Target-ID": str(hook.repository),
        "X-GitHub-Hook-Installation-Target-Type": "repository",
        "X-Hub-Signature-256": signature(hook.secret, delivery.body),
    }  # fmt: skip


def signature(secret: str, body: bytes) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def _post(delivery: Delivery) -> int:
    """The receiver's status; 0 where there was none. Redirects are not followed, as by GitHub."""
    url = urlsplit(delivery.hook.url)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.netloc, timeout=PATIENCE)
    try:
        path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        connection.request("POST", path, delivery.body, delivery.dress(delivery))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()

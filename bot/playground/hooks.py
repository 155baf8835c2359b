"""Signed webhooks, sent in order for each repository, recorded, and never retried.

GitHub does not retry either: a lost delivery stays lost until somebody asks for its redelivery.
"""

import http.client
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from bot.playground.state import Hook, State, now

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
    dress: Callable[["Delivery"], dict[str, str]]  # its headers, with the signature
    redelivery: bool = False
    delivered_at: str = ""
    duration: float = 0.0  # seconds
    status: int = 0  # 0: no response


@dataclass(slots=True)
class Sender:
    """The sender of all webhooks of both forges, with one thread a repository."""

    state: State
    # In memory only: nobody redelivers after a restart, and bodies would swell the file.
    deliveries: deque[Delivery] = field(default_factory=lambda: deque(maxlen=1000))
    queues: dict[int, queue.SimpleQueue[Delivery]] = field(default_factory=dict)

    def redeliver(self, delivery: Delivery) -> None:
        self.put(self.again(delivery))

    def again(self, delivery: Delivery) -> Delivery:
        """Return a delivery of the same body under the same guid, for the webhook's present secret."""
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
        """Send now, before queued deliveries. Return the receiver's status, 0 if there was no response."""
        began, at = time.monotonic(), now()
        status = _post(delivery)
        done = replace(delivery, delivered_at=at, duration=time.monotonic() - began, status=status)
        self.deliveries.append(done)
        return status


def _post(delivery: Delivery) -> int:
    """Return the receiver's status, 0 if there was no response. GitHub follows no redirects either."""
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

"""The answer to one delivery: read it, ask the forge, call one handler, fill the outbox.

All calls to the forge come first, then one transaction with the answer and everything that follows from
it: a crash in between leaves an unanswered delivery, which is answered again.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection

from bot.commands import acts, delivery_retry, early_refusal, policy, replies, staleness
from bot.commands.permission import authorize
from bot.commands.request import Request, read
from bot.commands.router import Router
from bot.commands.triggers import Vocabulary
from bot.domain.error_policy import away
from bot.domain.errors import BotError, ForgeUnavailable, NotAllowed
from bot.domain.event import Event, Labelled, described_at, idempotency_keys
from bot.domain.nudges import Nudges
from bot.domain.thread import Thread
from bot.forges.forge import Forge
from bot.reports.incidents import incident, incident_text
from bot.store import causes, deliveries, threads
from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger, clock
from bot.tasks.verbs import Defaults, Tasks

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The parts that an answer needs; call it with the key of a delivery.

    `allow` is `[repositories] allow`.
    """

    ledger: Ledger
    forges: Mapping[str, Forge]
    router: Router
    allow: Collection[str]
    defaults: Defaults
    nudges: Nudges
    patch_url: Callable[[str], str]  # the address of a task's patch, by the task's id
    task_url: Callable[[str], str]  # the address of a task's page

    def __call__(self, forge: str, delivery_id: str) -> None:
        """Answer this delivery if it is still unanswered. If that fails, schedule another try."""
        with self.ledger.read() as tx:
            delivery = deliveries.get_unanswered(tx, forge, delivery_id)
        if delivery is None:
            return
        try:
            self._answer(delivery)
        except Exception as error:  # noqa: BLE001 - a bug of ours must be reported, and must not come back for ever
            self._recover(delivery, error)

    def answer_label(self, event: Labelled) -> None:
        """Answer a label whose delivery did not arrive, unless the label was answered before.

        Raises ForgeUnavailable. Other errors are logged: the next scan finds the label again.
        """
        forge, repository_id = event.thread.forge, event.thread.repository_id
        with self.ledger.read() as tx:
            if causes.any_known(tx, forge, repository_id, idempotency_keys(event)):
                return
            now = clock(tx)
        try:
            request = self._request(event, age=0.0, now=now)
            if request:
                with self.ledger.write() as tx:
                    if _record_keys(tx, event):
                        self._handle(tx, request)
                self._nudge([request])
        except ForgeUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - it is logged
            incident("label answer failed", error, label=event.cause)

    def _answer(self, delivery: Delivery) -> None:
        try:
            events = self._events(delivery)
        except ValueError as error:
            log.warning("delivery is unreadable", reason=str(error)[:200])
            with self.ledger.write() as tx:
                deliveries.mark_answered(tx, delivery.forge, delivery.id, f"unreadable: {error}"[:500])
            return
        age, now = delivery.age, delivery.read_at
        requests = [request for event in events if (request := self._request(event, age=age, now=now))]
        with self.ledger.write() as tx:
            if not deliveries.mark_answered(tx, delivery.forge, delivery.id):
                return
            for request in acts.by_content(requests):
                if _record_keys(tx, request.event):
                    self._handle(tx, request)
        self._nudge(requests)

    def _events(self, delivery: Delivery) -> list[Event]:
        return self.forges[delivery.forge].events(delivery.event, delivery.body)

    def _request(self, event: Event, *, age: float, now: float) -> Request | None:
        """Return the command in this event, authorized or refused; None if there is nothing to answer."""
        request = self._read(event)
        if request is None:
            return None
        request = replace(request, read_at=now)
        if request.refusal:
            with self.ledger.read() as tx:
                if early_refusal.is_due(tx, request, self._bot_name(event)):
                    return replace(request, unasked=True)
        request = authorize(self.forges[event.thread.forge], request, age)
        # The list is checked again, because only now the repository has the name that the forge gives it.
        return request if request and self._is_listed(request.event.thread) else None

    def _read(self, event: Event) -> Request | None:
        """Return the command that a person gives in a listed repository. No call to the forge."""
        if policy.is_machine(event):
            return None
        vocabulary = Vocabulary(
            bot_name=self._bot_name(event), known=self.router.routes, labels=self.defaults.labels
        )
        request = read(event, vocabulary, self.router)
        return request if request and self._is_listed(event.thread) else None

    def _bot_name(self, event: Event) -> str:
        return self.defaults.bot_names[event.thread.forge]

    def _is_listed(self, thread: Thread) -> bool:
        listed = policy.is_listed(thread, self.allow)
        if not listed:
            # No reply on the thread: the operator has not chosen to answer in this repository.
            log.warning("repository is not in [repositories] allow", repository=thread.repository_url)
        return listed

    def _handle(self, tx: Connection, request: Request) -> None:
        request = _record_thread(tx, request)
        event = request.event
        if not request.refusal and acts.has_run(tx, event):
            log.info("request of an act that has a run", thread=event.thread.key)
            replies.decline(tx, event, acts.not_obeyed(request))
            return
        try:
            with tx.begin_nested():
                text = self._dispatch(tx, request)
                acts.record_run(tx, event)
        except BotError as error:
            log.info("command refused", command=request.command.name, kind=type(error).__name__)
            notes = () if isinstance(error, NotAllowed) else request.notes
            refuse = replies.refuse_once if request.unasked or isinstance(error, NotAllowed) else replies.post
            refuse(tx, event, str(error), notes)
        else:
            log.info("command accepted", command=request.command.name, thread=event.thread.key)
            replies.accept(tx, event, text, request.notes, self.task_url)

    def _dispatch(self, tx: Connection, request: Request) -> str:
        if request.refusal:
            raise request.refusal
        staleness.check(request.event, request.command.change, now=clock(tx))
        command_list = self.router.help(request.event.thread.forge)
        tasks = Tasks(tx=tx, defaults=self.defaults, help=command_list, patch_url=self.patch_url)
        return self.router.dispatch(request.command, tasks)

    def _recover(self, delivery: Delivery, error: Exception) -> None:
        """Schedule another try, or end the delivery. An error that will not pass is logged as an incident."""
        seconds = delivery_retry.pause(delivery, error)
        number = ""
        if seconds is None or not delivery_retry.is_transient(error):
            number = incident("delivery answer failed", error, attempt=delivery.attempts + 1)
        if seconds is None:
            self._end(delivery, number)
            return
        reason = delivery_retry.reason(error, number)
        log.info("delivery retry scheduled", seconds=seconds, reason=reason, away=away(error))
        with self.ledger.write() as tx:
            deliveries.try_later(tx, delivery.forge, delivery.id, seconds, reason)

    def _end(self, delivery: Delivery, number: str) -> None:
        """End the tries. The thread gets the incident's number, if a reply can be written."""
        try:
            self._report(delivery, number)
        except Exception as error:  # noqa: BLE001 - no content of a delivery may keep it from ending
            incident("incident not reported to the thread", error, of=number)
            with self.ledger.write() as tx:
                deliveries.mark_answered(tx, delivery.forge, delivery.id, f"incident {number}")

    def _report(self, delivery: Delivery, number: str) -> None:
        requests = self._readable_requests(delivery)
        text = f"{incident_text(number)} Nothing was done."
        with self.ledger.write() as tx:
            if not deliveries.mark_answered(tx, delivery.forge, delivery.id, f"incident {number}"):
                return
            for request in requests:
                if _record_keys(tx, request.event):
                    replies.post(tx, _record_thread(tx, request).event, text)
        self._nudge(requests)

    def _readable_requests(self, delivery: Delivery) -> list[Request]:
        try:
            return [request for event in self._events(delivery) if (request := self._read(event))]
        except Exception:  # noqa: BLE001 - reading may be the failing step; its error is logged already
            return []

    def _nudge(self, requests: Sequence[Request]) -> None:
        for key in {request.event.thread.key for request in requests}:
            self.nudges.report(key)
        if requests:
            self.nudges.work()


def _record_thread(tx: Connection, request: Request) -> Request:
    """Record newer facts about the thread, and return the request with the newest known ones."""
    thread = request.event.thread
    threads.remember(tx, thread.key, thread, described_at(request.event).timestamp())
    if place := request.repository:
        threads.move(tx, thread.forge, place.id, path=place.path, url=place.url, as_of=request.read_at)
    return request.about(threads.get(tx, thread.key))


def _record_keys(tx: Connection, event: Event) -> bool:
    """Record the event's idempotency keys, and report whether all of them are new."""
    thread = event.thread
    # Every key is recorded, not only those up to the first known one: a second event for the same label may
    # come with any of these keys.
    new = [causes.add(tx, thread.forge, thread.repository_id, cause) for cause in idempotency_keys(event)]
    return all(new)

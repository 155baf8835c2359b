"""One delivery: read it, ask whether this person may, let one handler answer, fill the outbox.

All calls to the forge come first, then one transaction that holds the answer
and all that follows from it: a crash in between leaves a delivery that is
simply answered again.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from bot.commands import parser, policy, replies, staleness, triggers
from bot.commands.permission import Request, authorize
from bot.commands.router import Router
from bot.commands.triggers import Vocabulary
from bot.domain.command import Command
from bot.domain.error_policy import ANSWER, INCIDENT_TRIES, PATIENCE, TRANSIENT
from bot.domain.errors import BotError, ForgeUnavailable
from bot.domain.event import Event, Labelled, known_as
from bot.domain.nudges import Nudges
from bot.domain.thread import Thread
from bot.forges.forge import Forge
from bot.reports.incidents import incident, incident_text
from bot.store import causes, deliveries, threads
from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger, clock
from bot.tasks.verbs import Defaults, Tasks
from bot.text.thread_context import bounded

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What it takes to answer; call it with the key of a delivery. `allow` is `[repositories] allow`."""

    ledger: Ledger
    forges: Mapping[str, Forge]
    router: Router
    allow: Collection[str]
    defaults: Defaults
    nudges: Nudges
    patch_url: Callable[[str], str]  # of a task, by its id

    def __call__(self, forge: str, delivery_id: str) -> None:
        """Answer this delivery, if it still waits for that. What goes wrong is tried again later."""
        with self.ledger.read() as tx:
            delivery = deliveries.get_unanswered(tx, forge, delivery_id)
        if delivery is None:
            return
        try:
            self._answer(delivery)
        except TRANSIENT as error:
            self._wait(delivery, error)
        except Exception as error:  # noqa: BLE001 - a bug of ours must be told, and must not come back for ever
            self._broke(delivery, incident("answer broke", error, attempt=delivery.attempts + 1))

    def found(self, event: Labelled) -> None:
        """Answer a label that no delivery told of: as if one had, unless it was answered before.

        Raises ForgeUnavailable. What else goes wrong is logged: who looks again finds it again.
        """
        forge, repository_id = event.thread.forge, event.thread.repository_id
        with self.ledger.read() as tx:
            if causes.known(tx, forge, repository_id, known_as(event)):
                return
        try:
            asked = self._ask(event, 0.0)
            if asked:
                with self.ledger.write() as tx:
                    if _is_first(tx, event):
                        self._obey(tx, asked)
                self._nudge([asked])
        except ForgeUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - it is logged
            incident("answer broke", error, label=event.cause)

    def _answer(self, delivery: Delivery) -> None:
        try:
            events = self._events(delivery)
        except ValueError as error:
            log.warning("delivery is unreadable", reason=str(error)[:200])
            with self.ledger.write() as tx:
                deliveries.answered(tx, delivery.forge, delivery.id, f"unreadable: {error}"[:500])
            return
        asked = [self._ask(event, delivery.age) for event in events]
        commanded = [heard for heard in asked if heard]
        with self.ledger.write() as tx:
            if not deliveries.answered(tx, delivery.forge, delivery.id):
                return
            for heard in commanded:
                if _is_first(tx, heard.event):
                    self._obey(tx, heard)
        self._nudge(commanded)

    def _events(self, delivery: Delivery) -> list[Event]:
        return self.forges[delivery.forge].events(delivery.event, delivery.body)

    def _hear(self, event: Event) -> Request | None:
        """What a person says to us where we may be spoken to. Asks nobody."""
        if policy.is_machine(event):
            return None
        words = Vocabulary(
            bot_name=self.defaults.bot_names[event.thread.forge],
            known=self.router.routes,
            labels=self.defaults.labels,
        )
        spoken = triggers.raw_command(event, words)
        if spoken is None:
            return None
        return Request(event, spoken) if self._is_listed(event.thread) else None

    def _ask(self, event: Event, age: float) -> Request | None:
        """The command in this event, and what the forge says of it; None where there is nothing to answer."""
        heard = self._hear(event)
        asked = authorize(self.forges[event.thread.forge], heard, age) if heard else None
        # Once more, because it is only now that the repository has the name the forge gives it.
        return asked if asked and self._is_listed(asked.event.thread) else None

    def _is_listed(self, thread: Thread) -> bool:
        listed = policy.is_listed(thread, self.allow)
        if not listed:
            # Silence on the thread: whoever runs the bot has not chosen to answer there.
            log.warning("repository is not in [repositories] allow", repository=thread.repository_url)
        return listed

    def _obey(self, tx: Connection, heard: Request) -> None:
        thread = heard.event.thread
        threads.remember(tx, thread.key, thread)
        if found := heard.repository:
            threads.move(tx, thread.forge, found.id, path=found.path, url=found.url)
        try:
            with tx.begin_nested():
                words = self._dispatch(tx, heard)
        except BotError as error:
            log.info("command refused", command=heard.spoken.name, kind=type(error).__name__)
            replies.refused(tx, heard.event, error)
        else:
            log.info("command accepted", command=heard.spoken.name, thread=heard.event.thread.key)
            replies.accepted(tx, heard.event, words)

    def _dispatch(self, tx: Connection, heard: Request) -> str:
        if heard.refused:
            raise heard.refused
        staleness.refuse(heard.event, heard.change, now=clock(tx))
        event, route = heard.event, self.router.route(heard.spoken.name)
        options, text = parser.split_options(heard.spoken.rest, route.options)
        command = Command(
            name=route.name,
            text=text,
            options=options,
            thread=event.thread,
            actor=event.actor,
            cause=event.cause,
            reply_target=triggers.reply_target(event),
            context=bounded(heard.shown),
            change=heard.change,
        )
        lines = self.router.help(event.thread.forge)
        tasks = Tasks(tx=tx, defaults=self.defaults, help=lines, patch_url=self.patch_url)
        return self.router.dispatch(command, tasks)

    def _wait(self, delivery: Delivery, error: Exception) -> None:
        """Try again for as long as it may pass by itself.

        A forge that is away has its own patience, and a ledger that is away does not take this note of it
        either: past that patience it is something in the delivery.
        """
        if delivery.age >= PATIENCE and delivery.attempts + 1 >= INCIDENT_TRIES:
            self._end(delivery, incident("answer broke", error, attempt=delivery.attempts + 1))
        elif isinstance(error, ForgeUnavailable):
            self._try_later(delivery, str(error), error.retry_after or 0.0)
        else:
            self._try_later(delivery, type(error).__name__)

    def _try_later(self, delivery: Delivery, error: str, seconds: float = 0.0) -> None:
        seconds = max(seconds, ANSWER.pause(delivery.attempts + 1))
        log.info("delivery retry scheduled", seconds=seconds, reason=error)
        with self.ledger.write() as tx:
            deliveries.try_later(tx, delivery.forge, delivery.id, seconds, error)

    def _broke(self, delivery: Delivery, number: str) -> None:
        """Try again, but not for ever."""
        if delivery.attempts + 1 < INCIDENT_TRIES:
            self._try_later(delivery, f"incident {number}")
        else:
            self._end(delivery, number)

    def _end(self, delivery: Delivery, number: str) -> None:
        """Try no more. The thread is told which number to quote, if that can be told."""
        try:
            self._tell(delivery, number)
        except Exception as error:  # noqa: BLE001 - what is in the delivery must not keep it from ending
            incident("thread not told", error, of=number)
            with self.ledger.write() as tx:
                deliveries.answered(tx, delivery.forge, delivery.id, f"incident {number}")

    def _tell(self, delivery: Delivery, number: str) -> None:
        commanded = self._heard_at_all(delivery)
        words = f"{incident_text(number)} Nothing was done."
        with self.ledger.write() as tx:
            if not deliveries.answered(tx, delivery.forge, delivery.id, f"incident {number}"):
                return
            for heard in commanded:
                if _is_first(tx, heard.event):
                    threads.remember(tx, heard.event.thread.key, heard.event.thread)
                    replies.post(tx, heard.event, words)
        self._nudge(commanded)

    def _heard_at_all(self, delivery: Delivery) -> list[Request]:
        try:
            return [heard for event in self._events(delivery) if (heard := self._hear(event))]
        except Exception:  # noqa: BLE001 - reading may be the very thing that breaks; it is logged already
            return []

    def _nudge(self, commanded: Sequence[Request]) -> None:
        for key in {heard.event.thread.key for heard in commanded}:
            self.nudges.report(key)
        if commanded:
            self.nudges.work()


def _is_first(tx: Connection, event: Event) -> bool:
    thread = event.thread
    # All of them, and not only up to the first that is not new: each has to be there for its twin.
    new = [causes.first_time(tx, thread.forge, thread.repository_id, cause) for cause in known_as(event)]
    return all(new)

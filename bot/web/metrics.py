"""Metrics for Prometheus.

The counts of answers are kept in the process. All other values are read from
the ledger when they are scraped, so they cannot differ from it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.errors import LedgerUnavailable
from bot.domain.usage import Tokens
from bot.store import deliveries, removals, runs, tasks, usage
from bot.store.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Metrics:
    """A registry, and its counter of answers. Nothing is global, so that a process may have several."""

    registry: CollectorRegistry
    answers: Counter

    def answered(self, status: int) -> None:
        """Count one answer to a delivery, by its HTTP status."""
        self.answers.labels(str(status)).inc()


def make(ledger: Ledger, ping_redis: Callable[[], object] | None = None) -> Metrics:
    """Make the metrics of this process; `ping_redis` raises if Redis does not answer, None: there is none."""
    registry = CollectorRegistry()
    answers = Counter(
        "forgehand_deliveries", "Deliveries by the status we answered.", ["status"], registry=registry
    )
    registry.register(_FromLedger(ledger))
    if ping_redis:
        registry.register(_FromRedis(ping_redis))
    return Metrics(registry, answers)


@dataclass(frozen=True, slots=True)
class _FromLedger:
    ledger: Ledger

    def describe(self) -> list[Metric]:
        """Return no names, so that registering does not read the ledger."""
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            with self.ledger.read() as tx:
                unanswered = deliveries.count_unanswered(tx)
                open_runs = runs.count_open(tx)
                all_tasks = tasks.count_by_state(tx)
                stuck = removals.count_stuck(tx)
                requests, tokens, refused = usage.ever(tx)
        except (SQLAlchemyError, LedgerUnavailable):
            yield GaugeMetricFamily("forgehand_ledger_up", "1 if the ledger answered this scrape.", 0)
            return
        yield GaugeMetricFamily("forgehand_ledger_up", "1 if the ledger answered this scrape.", 1)
        yield GaugeMetricFamily(
            "forgehand_deliveries_unanswered", "Deliveries that are not answered yet.", unanswered
        )
        yield _by_state("forgehand_runs_open", "Runs that have not ended, by state.", open_runs)
        yield _by_state("forgehand_tasks", "Tasks by state.", all_tasks)
        text = "Workspace folders that the bot no longer tries to remove, because it died while it did."
        yield GaugeMetricFamily("forgehand_workspaces_stuck", text, stuck)
        # Without a label for the model: agents choose its name, so the number of labels would have no limit.
        yield CounterMetricFamily("forgehand_model_requests", "Requests sent to models.", requests)
        yield _of_tokens(tokens)
        yield CounterMetricFamily("forgehand_refusals", "Requests that the gateway refused.", refused)


@dataclass(frozen=True, slots=True)
class _FromRedis:
    ping: Callable[[], object]

    def describe(self) -> list[Metric]:
        """Return no names, so that registering does not ask Redis."""
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            self.ping()
        except Exception:  # noqa: BLE001 - the library's errors; whatever it is, Redis did not answer
            is_up = 0
        else:
            is_up = 1
        yield GaugeMetricFamily("forgehand_redis_up", "1 if Redis answered this scrape.", is_up)


def _by_state(name: str, text: str, counts: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["state"])
    for state, count in sorted(counts.items()):
        family.add_metric([state], count)
    return family


def _of_tokens(tokens: Tokens) -> CounterMetricFamily:
    family = CounterMetricFamily("forgehand_model_tokens", "Tokens by kind.", labels=["kind"])
    for kind in ("input", "cache_write", "cache_read", "output"):
        family.add_metric([kind], getattr(tokens, kind))
    return family

"""Health and metrics, with services that answer and services that fail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from bot.domain.usage import Tokens, Used
from bot.store import deliveries, removals, usage
from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger, clock
from bot.store.removals import Key
from bot.web import health, metrics
from bot.web.server import application
from tests.support import http
from tests.support.asgi_server import listening
from tests.support.rows import add_run, all_are_dead, claimed


def fine() -> None:
    pass


def unavailable() -> None:
    raise ConnectionError("refused, with a password in the text")


@contextmanager
def monitored(ledger: Ledger, /, **needs: Callable[[], object]) -> Iterator[httpx.Client]:
    counts = metrics.make(ledger, needs.get("redis"))
    counts.answered(202)
    app = application(health.routes(counts, needs))
    with (
        listening(app) as (host, port),
        http.client(base_url=f"http://{host}:{port}") as client,
    ):
        yield client


def test_the_bot_is_ready_if_every_service_answers(sqlite_ledger: Ledger) -> None:
    def ledger() -> None:
        with sqlite_ledger.read() as tx:
            clock(tx)

    with monitored(sqlite_ledger, ledger=ledger, redis=fine) as client:
        assert client.get("/readyz").status_code == 200
        assert "forgehand_redis_up 1.0" in client.get("/metrics").text
        assert client.get("/healthz").status_code == 200


def test_readiness_names_only_the_unavailable_service(sqlite_ledger: Ledger) -> None:
    with monitored(sqlite_ledger, ledger=fine, redis=unavailable) as client:
        answer = client.get("/readyz")

        assert (answer.status_code, answer.text) == (503, "not ready: redis\n")
        assert client.get("/healthz").status_code == 200
        assert "forgehand_redis_up 0.0" in client.get("/metrics").text


def test_metrics_have_counts_of_answers_and_of_the_ledger(ledger: Ledger) -> None:
    with ledger.write() as tx:
        deliveries.record(tx, [Delivery(forge="github", id="d-1", event="ping", body=b"{}")])
        add_run(tx)
        tokens = Tokens(input=100, cache_write=3, cache_read=40, output=20)
        used = [Used(day=day, model=f"m{day}", requests=2, tokens=tokens) for day in (1, 2)]
        usage.write(tx, claimed(tx).id, used)
        for folder in ("t1", "t1.gone-1"):
            for _ in range(removals.MOST_DEATHS):
                removals.begin(tx, Key("h1", folder, "h1/dead"), "t1")
                removals.count_deaths(tx, "h1", all_are_dead)
        removals.begin(tx, Key("h1", "t2", "h1/dead"), "t2")
        usage.write_refusals(tx, add_run(tx).id, {("evil.example:443", "no"): 3, ("other:80", "no"): 4})
    with monitored(ledger) as client:
        lines = client.get("/metrics").text.splitlines()
        assert not any(line.startswith("forgehand_redis_up") for line in lines)

    assert {
        'forgehand_deliveries_total{status="202"} 1.0',
        "forgehand_ledger_up 1.0",
        "forgehand_deliveries_unanswered 1.0",
        'forgehand_runs_open{state="queued"} 2.0',
        'forgehand_runs_open{state="running"} 1.0',
        'forgehand_tasks{state="queued"} 2.0',
        "forgehand_workspaces_stuck 2.0",
        "forgehand_model_requests_total 4.0",
        'forgehand_model_tokens_total{kind="input"} 200.0',
        'forgehand_model_tokens_total{kind="cache_write"} 6.0',
        'forgehand_model_tokens_total{kind="cache_read"} 80.0',
        'forgehand_model_tokens_total{kind="output"} 40.0',
        "forgehand_refusals_total 7.0",
    } <= set(lines)


def test_metrics_are_available_if_the_ledger_fails(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        tx.exec_driver_sql("ALTER TABLE deliveries RENAME TO unavailable")
    with monitored(sqlite_ledger) as client:
        text = client.get("/metrics").text

    assert "forgehand_ledger_up 0.0" in text
    assert 'forgehand_deliveries_total{status="202"} 1.0' in text

"""The refusal of a run whose budget is used up before it begins."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.domain.usage import Tokens, Used
from bot.gateway.budget import Budget, RepositoryBudget, UsageLimit
from bot.gateway.providers import Auth, Provider
from bot.gateway.run_gateway import Gateway
from bot.gateway.usage_counter import today
from bot.store import tasks, usage
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from tests.support.rows import a_thread, add_run, add_task

MINE, OTHER = 7, 8  # repositories
ROUTE = Provider(
    name="ours",
    url="https://models.example.org",
    key="k",
    auth=Auth.BEARER,
    paths=["*"],
    models=["*"],
    prices={},
)


def record_usage(ledger: Ledger, repository: int, *, day: int) -> None:
    """Record a run in this repository with three requests that day: 120 tokens and 0.75 dollars in all."""
    with ledger.write() as tx:
        run = add_run(tx, add_task(tx, a_thread(repository=repository)))
        once = Used(day=day, model="m", requests=3, tokens=Tokens(input=100, output=20), cost=0.75)
        usage.write(tx, run.id, [once])


def refusal(ledger: Ledger, budget: Budget, *, with_models: bool = True) -> str:
    """Return the refusal of a run in MINE."""
    with ledger.write() as tx:
        run = add_run(tx, add_task(tx, a_thread(repository=MINE)))
        task = tasks.get(tx, run.task)
    models = {"ours": ROUTE} if with_models else {}
    gateway = Gateway(
        data=DataFolder(Path("/nowhere")), ledger=ledger, link_key=b"k" * 32, providers=models, budget=budget
    )
    return gateway.exhausted_budget(run, task)


def test_the_refusal_names_the_budget_its_use_its_end_and_a_remedy(sqlite_ledger: Ledger) -> None:
    record_usage(sqlite_ledger, MINE, day=today())
    midnight = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d} 00:00 UTC"

    words = refusal(
        sqlite_ledger, Budget(repositories={"acme/r7": RepositoryBudget(per_day=UsageLimit(usd=0.5))})
    )

    assert words == (
        f"Today's budget of acme/r7 is used up: 0.75 of 0.50 US dollars. The day ends at {midnight}. "
        "Resume the task then, or once the bot's operator has raised `per_day` in "
        '`[budget.repositories."acme/r7"]`.'
    )


def test_the_use_of_all_repositories_counts_for_their_common_budget(sqlite_ledger: Ledger) -> None:
    record_usage(sqlite_ledger, OTHER, day=today())

    words = refusal(sqlite_ledger, Budget(per_day=UsageLimit(tokens=100)))

    assert words.startswith("Today's budget of all repositories is used up: 120 of 100 tokens.")
    assert words.endswith("raised `per_day` in `[budget]`.")


def test_other_days_and_other_repositories_do_not_count(
    sqlite_ledger: Ledger,
) -> None:
    record_usage(sqlite_ledger, MINE, day=today() - 1)
    record_usage(sqlite_ledger, OTHER, day=today())

    share = RepositoryBudget(per_day=UsageLimit(requests=1))

    assert (
        refusal(sqlite_ledger, Budget(per_day=UsageLimit(requests=4), repositories={"acme/r7": share})) == ""
    )


def test_without_models_no_budget_is_exhausted(sqlite_ledger: Ledger) -> None:
    record_usage(sqlite_ledger, MINE, day=today())

    assert refusal(sqlite_ledger, Budget(per_day=UsageLimit(requests=1)), with_models=False) == ""

"""What a run is told that has nothing left to begin with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.domain.usage import Tokens, Used
from bot.gateway.budget import Budget, RepositoryBudget, UsageLimit
from bot.gateway.opening import Gateway
from bot.gateway.providers import Auth, Provider
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


def used(ledger: Ledger, repository: int, *, day: int) -> None:
    """A run in this repository asked three times that day, for 120 tokens and 0.75 dollars in all."""
    with ledger.write() as tx:
        run = add_run(tx, add_task(tx, a_thread(repository=repository)))
        once = Used(day=day, model="m", requests=3, tokens=Tokens(input=100, output=20), cost=0.75)
        usage.write(tx, run.id, [once])


def told(ledger: Ledger, budget: Budget, *, routes: bool = True) -> str:
    """A run in MINE."""
    with ledger.write() as tx:
        run = add_run(tx, add_task(tx, a_thread(repository=MINE)))
        task = tasks.get(tx, run.task)
    models = {"ours": ROUTE} if routes else {}
    gateway = Gateway(
        data=DataFolder(Path("/nowhere")), ledger=ledger, link_key=b"k" * 32, providers=models, budget=budget
    )
    return gateway.exhausted_budget(run, task)


def test_which_budget_it_is_what_was_used_of_it_until_when_and_what_helps(sqlite_ledger: Ledger) -> None:
    used(sqlite_ledger, MINE, day=today())
    midnight = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d} 00:00 UTC"

    words = told(
        sqlite_ledger, Budget(repositories={"acme/r7": RepositoryBudget(per_day=UsageLimit(usd=0.5))})
    )

    assert words == (
        f"Today's budget of acme/r7 is used up: 0.75 of 0.50 US dollars. The day ends at {midnight}. "
        "Resume the task then, or once the bot's operator has raised `per_day` in "
        '`[budget.repositories."acme/r7"]`.'
    )


def test_what_all_repositories_used_counts_for_the_budget_of_all(sqlite_ledger: Ledger) -> None:
    used(sqlite_ledger, OTHER, day=today())

    words = told(sqlite_ledger, Budget(per_day=UsageLimit(tokens=100)))

    assert words.startswith("Today's budget of all repositories is used up: 120 of 100 tokens.")
    assert words.endswith("raised `per_day` in `[budget]`.")


def test_other_days_other_repositories_and_what_is_left_keep_nobody_from_beginning(
    sqlite_ledger: Ledger,
) -> None:
    used(sqlite_ledger, MINE, day=today() - 1)
    used(sqlite_ledger, OTHER, day=today())

    share = RepositoryBudget(per_day=UsageLimit(requests=1))

    assert told(sqlite_ledger, Budget(per_day=UsageLimit(requests=4), repositories={"acme/r7": share})) == ""


def test_where_there_are_no_models_there_is_nothing_to_be_used_up(sqlite_ledger: Ledger) -> None:
    used(sqlite_ledger, MINE, day=today())

    assert told(sqlite_ledger, Budget(per_day=UsageLimit(requests=1)), routes=False) == ""

"""The settings of budgets: limits of tokens and of money, for a run, a day and a repository."""

from typing import Annotated

from pydantic import AfterValidator, Field

from bot.app.settings.gateway import Dollars, Whole
from bot.app.settings.sections import Section, by_path
from bot.gateway import budget


class UsageLimitSettings(Section):
    """Up to three limits; a missing key = no limit."""

    usd: Dollars | None = None
    tokens: Whole | None = None
    requests: Whole | None = None


class RepositoryBudgetSettings(Section):
    """The budget of one repository."""

    per_run: UsageLimitSettings | None = None  # None: [budget] per_run applies
    per_day: UsageLimitSettings = UsageLimitSettings()  # in addition to [budget] per_day


class BudgetSettings(Section):
    """The limits on the use of models."""

    per_run: UsageLimitSettings = UsageLimitSettings()
    per_day: UsageLimitSettings = UsageLimitSettings()  # of a day in UTC, for all repositories together
    # Keys are owner/name.
    repositories: Annotated[dict[str, RepositoryBudgetSettings], AfterValidator(by_path)] = Field(default={})


def budget_of(section: BudgetSettings) -> budget.Budget:
    """Return the budget of this section."""
    return budget.Budget(
        per_run=_limit(section.per_run),
        per_day=_limit(section.per_day),
        repositories={
            path: budget.RepositoryBudget(
                per_run=None if own.per_run is None else _limit(own.per_run),
                per_day=_limit(own.per_day),
            )
            for path, own in section.repositories.items()
        },
    )


def _limit(section: UsageLimitSettings) -> budget.UsageLimit:
    return budget.UsageLimit(usd=section.usd, tokens=section.tokens, requests=section.requests)

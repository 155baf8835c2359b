"""GitHub's REST API below a repository: all its routes in one table."""

from bot.playground import (
    api_code,
    api_events,
    api_forks,
    api_issues,
    api_people,
    api_pulls,
    api_reactions,
    api_repository,
    api_reviews,
)
from bot.playground.calls import Route

ROUTES: tuple[Route, ...] = (
    *api_issues.ROUTES,
    *api_events.ROUTES,
    *api_people.ROUTES,
    *api_reactions.ROUTES,
    *api_repository.ROUTES,
    *api_forks.ROUTES,
    *api_pulls.ROUTES,
    *api_reviews.ROUTES,
    *api_code.ROUTES,  # last: a branch's path would take its protection's too
)

"""All routes of GitHub's REST API below a repository."""

from bot.playground.github import (
    commits,
    forks,
    hooks,
    issue_events,
    issues,
    people,
    pulls,
    reactions,
    repository,
    reviews,
)
from bot.playground.github.calls import Route

ROUTES: tuple[Route, ...] = (
    *issues.ROUTES,
    *issue_events.ROUTES,
    *people.ROUTES,
    *reactions.ROUTES,
    *repository.ROUTES,
    *hooks.ROUTES,
    *forks.ROUTES,
    *pulls.ROUTES,
    *reviews.ROUTES,
    *commits.ROUTES,  # last: a branch's path would match its protection's too
)

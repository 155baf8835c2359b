"""GitLab's row in the table of forges."""

from collections.abc import Callable

from bot.forges.addresses import web_address
from bot.forges.forge import Forge
from bot.forges.kind import ForgeAccess, ForgeKind
from bot.forges.verifier import WebhookVerifier


def _web_address(access: ForgeAccess) -> str:
    return web_address(access.web or access.url, "/api/v4")


def _adapter(access: ForgeAccess, read_token: Callable[[], str]) -> Forge:
    from bot.forges.gitlab.adapter import GitLab

    return GitLab(url=access.url, token=access.token, web=access.web, read_token=read_token)


def _webhooks(access: ForgeAccess) -> tuple[WebhookVerifier, frozenset[str]]:
    from bot.forges.gitlab.events import EVENTS
    from bot.forges.gitlab.verifier import gitlab_verifier

    return gitlab_verifier(access.webhook_secrets, access.signing_tokens), EVENTS


GITLAB = ForgeKind(
    name="gitlab",
    adapter=_adapter,
    webhooks=_webhooks,
    web_address=_web_address,
    change_word="merge request",
    change_sign="!",  # merge requests are numbered apart from issues
    reserved_commands=frozenset({"/approve"}),  # a quick action
    # https://docs.gitlab.com/user/profile/#use-an-automatically-generated-private-commit-email
    noreply="{id}-{login}@users.noreply.{host}",
)

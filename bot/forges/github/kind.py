"""GitHub's row in the table of forges."""

from collections.abc import Callable

from bot.forges.addresses import web_address
from bot.forges.forge import Forge
from bot.forges.github.web_url import web_url
from bot.forges.kind import ForgeAccess, ForgeKind
from bot.forges.verifier import WebhookVerifier


def _web_address(access: ForgeAccess) -> str:
    return web_address(access.web, "") if access.web else web_url(access.url)


def _adapter(access: ForgeAccess, read_token: Callable[[], str]) -> Forge:
    from bot.forges.github.adapter import GitHub

    return GitHub(url=access.url, token=access.token, web=access.web, read_token=read_token)


def _webhooks(access: ForgeAccess) -> tuple[WebhookVerifier, frozenset[str]]:
    from bot.forges.github.events import EVENTS
    from bot.forges.github.verifier import github_verifier

    return github_verifier(access.webhook_secrets), EVENTS


GITHUB = ForgeKind(
    name="github",
    adapter=_adapter,
    webhooks=_webhooks,
    web_address=_web_address,
    # https://docs.github.com/en/account-and-profile/how-tos/email-preferences/setting-your-commit-email-address
    noreply="{id}+{login}@users.noreply.{host}",
)

"""The sections of the settings that name a forge."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from bot.app.settings.sections import Secrets, Section, Site, site
from bot.domain.errors import NotUnderstood
from bot.domain.repository_url import canonical


def _web(url: str) -> str:
    """An address that those of repositories are built on, or ""."""
    if url:
        try:
            canonical(f"{site(url)}/x")
        except NotUnderstood:
            raise ValueError("must be an address such as https://forge.example.org/folder") from None
    return url.rstrip("/")


def _without_api(url: str) -> str:
    if urlsplit(url).path.endswith("/api/v4"):
        raise ValueError("must be where people see GitLab, without /api/v4")
    return url


Web = Annotated[str, AfterValidator(_web)]


class GitHubSettings(Section):
    # Of the API; https://<host>/api/v3 for an Enterprise Server.
    url: Annotated[Site, AfterValidator(_web)] = "https://api.github.com"
    web_url: Web = ""  # where people and git find repositories; "" = derived from url
    token: SecretStr = SecretStr("")  # "" = this forge is not spoken to
    webhook_secrets: Secrets = Field(default=[])
    bot_name: str = "forgehand"  # the account the token belongs to: people write @<bot_name> run


class GitLabSettings(Section):
    url: Annotated[Site, AfterValidator(_web), AfterValidator(_without_api)] = "https://gitlab.com"
    web_url: Web = ""  # where people and git find repositories; "" = url
    token: SecretStr = SecretStr("")  # "" = this forge is not spoken to
    webhook_secrets: Secrets = Field(default=[])  # secret tokens, sent as they are
    signing_tokens: Secrets = Field(default=[])  # whsec_...; where there is one, no secret token will do
    bot_name: str = "forgehand"

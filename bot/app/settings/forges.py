"""The settings sections of the forges, one for each row of `bot/forges/registry.py`."""

from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from bot.app.settings.sections import Secrets, Section, Site, site
from bot.domain.errors import NotUnderstood
from bot.domain.repository_url import canonical
from bot.forges.kind import ForgeAccess


def _web(url: str) -> str:
    """Check the base address of repositories; "" is permitted."""
    if url:
        try:
            canonical(f"{site(url)}/x")
        except NotUnderstood:
            raise ValueError("must be an address such as https://forge.example.org/folder") from None
    return url.rstrip("/")


def _without_api(url: str) -> str:
    if urlsplit(url).path.endswith("/api/v4"):
        raise ValueError("must be the address of GitLab's pages, without /api/v4")
    return url


Web = Annotated[str, AfterValidator(_web)]


class ForgeSettings(Section):
    """The keys that every forge has."""

    url: Annotated[Site, AfterValidator(_web)]
    web_url: Web = ""  # base address of the pages and of repositories; "" = derived from url
    token: SecretStr = SecretStr("")  # "" = the bot does not use this forge
    webhook_secrets: Secrets = Field(default=[])
    bot_name: str = "forgehand"  # the token's account: people write @<bot_name> run

    @property
    def access(self) -> ForgeAccess:
        """Addresses and credentials, as the forge's kind takes them."""
        return ForgeAccess(
            url=self.url,
            web=self.web_url,
            token=self.token.get_secret_value(),
            webhook_secrets=tuple(secret.get_secret_value() for secret in self.webhook_secrets),
        )

    @property
    def can_receive(self) -> bool:
        """Report whether there is a secret by which deliveries can be verified."""
        return bool(self.webhook_secrets)

    @property
    def secrets(self) -> list[str]:
        """Credentials of this forge, in every form in which they may be seen."""
        return [self.access.token, *self.access.webhook_secrets]


class GitHubSettings(ForgeSettings):
    """GitHub. `url` is that of the API: https://<host>/api/v3 for an Enterprise Server."""

    url: Annotated[Site, AfterValidator(_web)] = "https://api.github.com"


class GitLabSettings(ForgeSettings):
    """GitLab. `url` is the address at which people see it."""

    url: Annotated[Site, AfterValidator(_web), AfterValidator(_without_api)] = "https://gitlab.com"
    signing_tokens: Secrets = Field(default=[])  # whsec_...; if there is one, webhook_secrets are refused

    @property
    def access(self) -> ForgeAccess:
        """Addresses and credentials, as the forge's kind takes them."""
        tokens = tuple(token.get_secret_value() for token in self.signing_tokens)
        return replace(super().access, signing_tokens=tokens)

    @property
    def can_receive(self) -> bool:
        """Report whether there is a secret by which deliveries can be verified."""
        return bool(self.webhook_secrets or self.signing_tokens)

    @property
    def secrets(self) -> list[str]:
        """Credentials of this forge; a signing token is the key even without its prefix."""
        tokens = self.access.signing_tokens
        return [*super().secrets, *tokens, *(token.removeprefix("whsec_") for token in tokens)]

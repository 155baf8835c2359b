"""The forges of this installation: their adapters, receivers and addresses, from settings and table."""

from functools import partial

from bot.app.settings.settings import Settings
from bot.forges.forge import Forge
from bot.forges.registry import FORGES
from bot.web.receiver import Receiver


def adapters(settings: Settings, secrets: list[str]) -> dict[str, Forge]:
    """Return the adapter of each forge that has a token, by name.

    A token that is replaced while the bot runs is added to `secrets`.
    """

    def token_now(name: str) -> str:
        now = settings.again()
        secrets.extend(set(now.secrets) - set(secrets))
        return now.forges[name].token.get_secret_value()

    return {
        name: FORGES[name].adapter(section.access, partial(token_now, name))
        for name, section in settings.forges.items()
        if section.token
    }


def receivers(settings: Settings) -> list[Receiver]:
    """Return a receiver for each forge that has a token. Raises BadSettings if a secret is too weak."""
    return [
        Receiver(
            verifier=verifier,
            body_cap=settings.server.body_cap,
            read_deadline=settings.server.read_deadline,
            events=events,
        )
        for name, section in settings.forges.items()
        if section.token
        for verifier, events in [FORGES[name].webhooks(section.access)]
    ]


def bot_names(settings: Settings) -> dict[str, str]:
    """Return the account of the bot on each forge, by the forge's name."""
    return {name: section.bot_name for name, section in settings.forges.items()}


def servers(settings: Settings) -> list[str]:
    """Return the addresses of the API and of the repositories of each forge that has a token."""
    sections = {name: section for name, section in settings.forges.items() if section.token}
    webs = [FORGES[name].web_address(section.access) for name, section in sections.items()]
    return [*(section.url for section in sections.values()), *webs]


def web_addresses(settings: Settings) -> list[str]:
    """Return the addresses below which the forges have their repositories, with a token or without."""
    return [FORGES[name].web_address(section.access) for name, section in settings.forges.items()]

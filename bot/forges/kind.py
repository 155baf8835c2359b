"""A kind of forge as one value: its adapter, the verifier of its deliveries, its conventions."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.domain.thread import Actor
from bot.forges.forge import Forge
from bot.forges.verifier import WebhookVerifier


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeAccess:
    """Addresses and credentials of one forge, from its section of the settings."""

    url: str  # of the forge, or of its API
    web: str = ""  # below it people and git find repositories; "" = derived from `url`
    token: str = ""
    webhook_secrets: tuple[str, ...] = ()
    signing_tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeKind:
    """A row of `bot/forges/registry.py`.

    `name` stands in the ledger, in the path of the webhooks and as the section's name in the settings. It
    does not change. The callables import what they need themselves, because a process that only writes
    comments has no use for an HTTP library.
    """

    name: str
    adapter: Callable[[ForgeAccess, Callable[[], str]], Forge]  # the second argument reads the token anew
    webhooks: Callable[[ForgeAccess], tuple[WebhookVerifier, frozenset[str]]]  # and the events that are read
    web_address: Callable[[ForgeAccess], str]
    change_word: str = "pull request"
    change_sign: str = "#"  # before the number of a change; an issue's is always #
    reserved_commands: frozenset[str] = frozenset()  # words the forge executes itself at the start of a line
    noreply: str = "{id}+{login}@users.noreply.{host}"

    def noreply_address(self, person: Actor, host: str) -> str:
        """Return the address by which the forge at `host` knows a person without showing the own one."""
        return self.noreply.format(id=person.id, login=person.login, host=host)

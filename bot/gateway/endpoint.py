"""The gateway as a sandbox sees it: the mounted socket, and the relay in front of it."""

from collections.abc import Sequence
from dataclasses import dataclass

FOLDER = "/run/forgehand"  # mount point of the folder with the run's socket, read-only
URL = "http://127.0.0.1:8787"  # of the relay; a provider of models is below it, by its name
REFUSAL_PREFIX = "Forgehand: "  # of every message that the gateway sends in a provider's place
RELAY = "forgehand-relay"  # in the image's PATH


def with_relay(argv: Sequence[str]) -> list[str]:
    """Return the command line with the relay before it: it listens when the command starts.

    The relay puts itself into the background only once it has its port.
    """
    return ["sh", "-c", f'{RELAY} && exec "$@"', "sh", *argv]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayEndpoint:
    """The only way out of a sandbox: the relay's address and the token for it.

    `token` belongs to this run and is worth nothing elsewhere. A provider is at `url`/<its name>.
    """

    url: str
    token: str
    providers: Sequence[str]
    packages: bool  # can package hosts be reached with `url` as the proxy?

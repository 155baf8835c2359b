"""The gateway as a sandbox sees it: where its socket is mounted, and what listens in front of it."""

from collections.abc import Sequence
from dataclasses import dataclass

FOLDER = "/run/forgehand"  # where a gate's folder is mounted, read-only
URL = "http://127.0.0.1:8787"  # of the relay; a model route is below it by its name
REFUSES = "Forgehand: "  # so begins what the gateway says in a provider's place
RELAY = "forgehand-relay"  # in the image's PATH


def with_relay(argv: Sequence[str]) -> list[str]:
    """Return the command line with the relay before it: it listens once the command begins.

    The relay goes to the background by itself, and not before its port is its own.
    """
    return ["sh", "-c", f'{RELAY} && exec "$@"', "sh", *argv]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The only way out of a sandbox, as seen from inside: where the relay listens, and what opens it.

    `token` is this run's own and worth nothing elsewhere. A model route is reached at `url`/<its name>.
    """

    url: str
    token: str
    routes: Sequence[str]
    packages: bool  # may package hosts be reached, with `url` as the proxy?

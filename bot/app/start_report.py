"""The report of a process that starts: on a terminal as lines for people, else as one line of the log."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import structlog

from bot import __version__
from bot.app.settings.settings import Settings
from bot.app.settings.source import IN_WORKING_FOLDER
from bot.runs.runtime import Runtime

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStart:
    """The facts about a bot that starts. `forges`: the account by name; "" if the forge did not answer."""

    forges: Mapping[str, str]
    agents: tuple[str, ...]
    allow: tuple[str, ...]
    data: str
    address: str

    def lines(self) -> list[str]:
        """Return the facts as lines, each with its name."""
        accounts = [f"{name} as {login or '(no answer)'}" for name, login in self.forges.items()]
        rows = {
            "Forges": ", ".join(accounts),
            "Agents": ", ".join(self.agents),
            "Repositories": ", ".join(self.allow) or "none",
            "Data folder": self.data,
            "Address": self.address,
        }
        return [f"Forgehand {__version__}", *(f"  {name:<14}{value}" for name, value in rows.items())]


def report(settings: Settings, runtime: Runtime, accounts: Mapping[str, str]) -> None:
    """Report the start, and warn of settings with which a person would wait for an answer in vain."""
    start = BotStart(
        forges=accounts,
        agents=tuple(runtime.agents),
        allow=tuple(settings.repositories.allow),
        data=str(runtime.data.root.absolute()),
        address=runtime.public_url,
    )
    if sys.stderr.isatty():
        print(*start.lines(), sep="\n", file=sys.stderr)  # noqa: T201 - the banner
    else:
        forges = [f"{name}:{login}" for name, login in accounts.items()]
        _log.info(
            "bot starting",
            version=__version__,
            forges=" ".join(forges),
            agents=" ".join(start.agents),
            allow=" ".join(start.allow),
            data=start.data,
            address=start.address,
        )
    warn(settings, runtime.public_url)


def warn(settings: Settings, public_url: str) -> None:
    """Log a warning for each setting that is valid, and most probably not meant."""
    if not settings.repositories.allow:
        _log.warning('no repository may use the bot: set [repositories] allow, such as ["owner/name"]')
    if _is_loopback(public_url):
        event = "links in comments lead to this machine only: set [server] public_url"
        _log.warning(event, address=public_url)
    data = settings.data
    if "path" not in data.model_fields_set and data.path == IN_WORKING_FOLDER:
        event = "data folder is taken from the working folder: name it in the settings as [data] path"
        _log.warning(event, path=str(data.path.absolute()))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

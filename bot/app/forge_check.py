"""The check of the forges at a start: whether each address is that forge's API, and accepts the token.

Only a definite answer refuses the start. A forge that does not answer may be back in a minute, and every
later command asks it again.
"""

from collections.abc import Mapping

import structlog

from bot.domain.errors import BadSettings, ForgeError, ForgeUnavailable, ForgeUnrecognized
from bot.domain.interrupt import interruptible, within
from bot.forges.forge import Forge

_PATIENCE = 5.0  # seconds for one forge
_log = structlog.get_logger()


def check_forges(forges: Mapping[str, Forge]) -> dict[str, str]:
    """Ask each forge for the bot's account; return the names of the accounts, "" if a forge is away.

    Raises BadSettings if another API answers, or if the forge refuses the token.
    """
    accounts = dict.fromkeys(forges, "")
    for name, forge in forges.items():
        try:
            accounts[name] = interruptible(forge.whoami, within(_PATIENCE)).login
        except (ForgeUnavailable, TimeoutError) as error:
            if isinstance(error, ForgeUnrecognized):
                raise _refused(name, error) from error
            _log.warning("forge does not answer, commands will ask it again", forge=name, reason=str(error))
        except ForgeError as error:
            raise _refused(name, error) from error
    return accounts


def _refused(name: str, error: ForgeError) -> BadSettings:
    return BadSettings(
        f"The bot's account could not be read from the API at [{name}] url: {error} Check [{name}] url and "
        "token."
    )

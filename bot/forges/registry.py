"""The table of forges.

Another forge needs its folder here with a `kind.py`, a row below, and its section in
`bot/app/settings/`. No other module knows a forge by name.
"""

from bot.forges.github.kind import GITHUB
from bot.forges.gitlab.kind import GITLAB
from bot.forges.kind import ForgeKind

FORGES: dict[str, ForgeKind] = {kind.name: kind for kind in (GITHUB, GITLAB)}

"""The table of forges.

Another forge needs its folder here with a `kind.py`, a row below, its section in
`bot/app/settings/forges.py`, and the section's field in `bot/app/settings/settings.py`. No other module
knows a forge by name.
"""

from bot.forges.github.kind import GITHUB
from bot.forges.gitlab.kind import GITLAB
from bot.forges.kind import ForgeKind

FORGES: dict[str, ForgeKind] = {kind.name: kind for kind in (GITHUB, GITLAB)}

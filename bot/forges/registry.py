"""The table of forges.

Another forge needs:

1. its folder here, with a `kind.py`, and a row below
2. its section in `bot/app/settings/forges.py`
3. the section's field in `bot/app/settings/settings.py`
4. the paths of its CI settings in `bot/sandbox/export/protected_paths.py`: without
   them, an agent could change what CI runs, and nobody would have to approve that
5. the shape of its tokens in `bot/text/redaction.py`: without it, a token that an agent prints would be
   published

`tests/app/test_forges.py` lists all other modules that contain the name of a forge.
"""

from bot.forges.github.kind import GITHUB
from bot.forges.gitlab.kind import GITLAB
from bot.forges.kind import ForgeKind

FORGES: dict[str, ForgeKind] = {kind.name: kind for kind in (GITHUB, GITLAB)}

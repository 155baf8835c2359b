"""Large files kept out of git's memory: it holds those below a threshold whole, those above it in pieces."""

from collections.abc import Mapping

from bot.git.run import configured

_THRESHOLD = "16m"


def streaming(threshold: str = _THRESHOLD) -> Mapping[str, str]:
    """Environment in which git streams files over the threshold: no deltas of them, no text in a diff."""
    return configured([("core.bigFileThreshold", threshold)])

"""A limit on the files that git loads whole into memory; it streams larger ones in pieces."""

from collections.abc import Mapping

from bot.git.run import config_environment

_THRESHOLD = "16m"


def streaming(threshold: str = _THRESHOLD) -> Mapping[str, str]:
    """Return an environment in which git streams files over the threshold.

    git makes no deltas of such files and does not show their text in a diff.
    """
    return config_environment([("core.bigFileThreshold", threshold)])

"""The images from which tests start containers: one of this machine's programs, and the real agent's.

The first is built once per test session, in seconds. The second takes minutes. deploy/test builds
it with this file on request, and it is not removed; the tests that need it run if it exists.
"""

import sys
import time
from functools import cache

from bot.sandbox.images import build


@cache
def small() -> str:
    """Build the small image and return its name."""
    build.build("", which=["small"], say=lambda _line: None)
    return build.SMALL


@cache
def agent_is_here() -> bool:
    """Report whether the agent's image exists and matches this checkout."""
    return build.agent_is_current("")


def _say(line: str) -> None:
    print(f"== {line}", flush=True)  # noqa: T201 - for deploy/test


if __name__ == "__main__":
    if "--build" in sys.argv:
        before = time.monotonic()
        build.build("", which=["agent"], say=_say)
        _say(f"{build.AGENT} is made: {time.monotonic() - before:.0f} s")
    elif agent_is_here():
        _say(f"{build.AGENT} is here: tests with a real agent run")
    else:
        _say(f"no {build.AGENT} as it would be made now: no tests with a real agent (--agents makes it)")

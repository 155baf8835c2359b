"""Where Podman's Docker-compatible service is not as Docker: the whole list, as 4.3 does on cgroup v1.

It is here so that the code for containers reads as if there were one kind of engine.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from bot.domain.errors import BotError
from bot.sandbox.engine.streams import Frames


def speaks(info: Mapping[str, Any]) -> bool:
    """Whether this `docker info` is Podman's, which builds images by Buildah."""
    return "BuildahVersion" in info


def marks_no_oom(info: Mapping[str, Any]) -> bool:
    """Whether a container that the kernel killed for its memory looks like any that was killed."""
    return speaks(info) and info["CgroupVersion"] == "1"


def tmp_options(info: Mapping[str, Any], uid: int) -> str:
    """Let the agent write to /tmp. Docker 20.10 ignores a mode, Podman refuses an owner.

    Both then give it the mode of the image's folder, which has to be 1777 for Podman.
    """
    return "mode=1777" if speaks(info) else f"uid={uid},gid={uid}"


class Later:
    """A stream that is asked for in a thread of its own: it answers only when there is a line.

    Ends where there is none to be had, as where it ends.
    """

    def __init__(self, ask: Callable[[], Frames]) -> None:
        self._frames: Frames | None = None
        self._over = False  # nothing comes, or nobody wants it
        self._changed = threading.Condition()
        threading.Thread(target=self._have, args=(ask,), daemon=True).start()

    def __next__(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._over)
        if self._frames is None:
            raise StopIteration
        return next(self._frames)

    def close(self) -> None:
        """End it, also for a thread that waits. What is asked for by then is closed when it is there."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if self._frames is not None:
            self._frames.close()

    def _have(self, ask: Callable[[], Frames]) -> None:
        frames = None
        with suppress(BotError):
            frames = ask()
        with self._changed:
            unwanted, self._frames, self._over = self._over, frames, True
            self._changed.notify_all()
        if unwanted and frames is not None:
            frames.close()

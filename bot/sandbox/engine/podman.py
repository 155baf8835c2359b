"""All differences of Podman's Docker-compatible service from Docker, as in version 4.3 on cgroup v1.

They are here so that the other modules can treat both as one kind of engine.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from bot.domain.errors import BotError
from bot.sandbox.engine.streams import Frames


def speaks(info: Mapping[str, Any]) -> bool:
    """Report whether this `docker info` is Podman's, which builds images with Buildah."""
    return "BuildahVersion" in info


def marks_no_oom(info: Mapping[str, Any]) -> bool:
    """Report whether the engine does not mark containers that were killed for lack of memory."""
    return speaks(info) and info["CgroupVersion"] == "1"


def tmp_options(info: Mapping[str, Any], uid: int) -> str:
    """Return mount options that let the agent write to /tmp.

    Docker 20.10 ignores a mode, and Podman refuses an owner. Both then use the mode of the image's folder,
    which has to be 1777 for Podman.
    """
    return "mode=1777" if speaks(info) else f"uid={uid},gid={uid}"


class Later:
    """A stream that is requested in a separate thread, because the answer comes only with the first line.

    It also ends if the request fails.
    """

    def __init__(self, ask: Callable[[], Frames]) -> None:
        self._frames: Frames | None = None
        self._over = False  # nothing more comes, or the reader has closed the stream
        self._changed = threading.Condition()
        threading.Thread(target=self._fetch, args=(ask,), daemon=True).start()

    def __next__(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._over)
        if self._frames is None:
            raise StopIteration
        return next(self._frames)

    def close(self) -> None:
        """End the stream, also for a waiting thread. A pending answer is closed when it arrives."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if self._frames is not None:
            self._frames.close()

    def _fetch(self, ask: Callable[[], Frames]) -> None:
        frames = None
        with suppress(BotError):
            frames = ask()
        with self._changed:
            was_closed, self._frames, self._over = self._over, frames, True
            self._changed.notify_all()
        if was_closed and frames is not None:
            frames.close()

"""Parts that hang: a tools image with a hanging git, and an engine that stops answering on request."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.derived_image import image_with
from tests.support.images import small

# /task/prompt.md exists in the containers of export and not in those of prepare.
_GIT = """#!/bin/sh
here=prepare
[ -e /task/prompt.md ] && here=export
[ "$here" = "$HANGS_IN" ] && exec sleep 300
exec /usr/bin/git "$@"
"""
_ENGINE = "/var/run/docker.sock"


@contextmanager
def git_hangs(phase: str) -> Iterator[str]:
    """Make a tools image. In containers of this phase, prepare or export, each git takes five minutes."""
    with image_with(small(), f"COPY git /usr/local/bin/git\nENV HANGS_IN={phase}", {"git": _GIT}) as image:
        yield image


@dataclass(slots=True)
class Passage:
    """A socket that leads to the real engine.

    While it is `shut`, it transfers no byte and refuses no connection.
    """

    path: Path
    shut: threading.Event = field(default_factory=threading.Event)
    _opened: threading.Event = field(default_factory=threading.Event)
    _sockets: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def close_it(self) -> None:
        self._opened.clear()
        self.shut.set()

    def open_it(self) -> None:
        self.shut.clear()
        self._opened.set()

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):  # closed at the end
            while True:
                ours, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(_ENGINE)
                self._sockets += [ours, engine]
                for source, target in ((ours, engine), (engine, ours)):
                    threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self.shut.is_set():
                    self._opened.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def passage(path: Path) -> Iterator[Passage]:
    """Open a passage to the engine that the test can shut."""
    made = Passage(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=made.serve, args=(listener,), daemon=True).start()
        try:
            yield made
        finally:
            made.open_it()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            made.end()

"""A separate container engine for tests, which they may stop and restart.

It has its own namespaces for network, mounts and processes, so it can touch neither this machine's
bridge and firewall nor its containers. All of it depends on one shell, and ends with it however the
test ends: the shell ends when its input does, and the kernel then ends every process of its
namespace and undoes their mounts.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

from tests.support.images import small

_PATIENCE = 60.0  # maximum seconds until it answers
_ALONE = "unshare --fork --kill-child --pid --mount --mount-proc --net bash"
# Without this the engine would use this machine's containerd, if it has one; so it starts its own.
_NO_OTHER = "mkdir -p /run/containerd && mount -t tmpfs none /run/containerd"
_OPTIONS = """
--containerd-namespace forgehand-second --containerd-plugins-namespace forgehand-second-plugins
--bridge none --iptables=false --ip-forward=false --ip-masq=false --userland-proxy=false
"""  # without a bridge, because no container of the bot has a network


@dataclass
class SecondEngine:
    """A second engine. `url` is for `[sandbox] engine`. With `live_restore`, its containers outlive it."""

    folder: Path
    live_restore: bool
    _shell: "subprocess.Popen[str]"

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/engine.sock"

    def docker(self, *arguments: str) -> str:
        """Return `docker`'s output for this engine.

        The library would keep its connections to a stopped engine.
        """
        command = ["docker", "--host", self.url, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def log_of(self, name: str) -> TextIO:
        """Open the engine's log of a container, which can then be read after the container is removed."""
        container = self.docker("inspect", "--format", "{{.Id}}", name)
        return (self.folder / "data" / "containers" / container / f"{container}-json.log").open()

    def start(self) -> None:
        """Start the engine and return when it answers."""
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        options = [*_OPTIONS.split(), *(f"--{name}={self.folder / at}" for name, at in places.items())]
        options += ["--live-restore"] if self.live_restore else []
        command = shlex.join(["dockerd", "--host", self.url, *options])
        self._do(f"{command} >>{self.folder}/log 2>&1 & engine=$!")
        end = time.monotonic() + _PATIENCE
        while subprocess.run(["docker", "--host", self.url, "info"], capture_output=True).returncode:
            if time.monotonic() > end:
                pytest.fail(f"the second engine does not answer: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the engine as its service does: without live-restore, it ends its containers first."""
        self._do("kill -TERM $engine; wait $engine")

    def kill(self) -> None:
        """Kill the engine and its containerd, which get no time to end their containers."""
        self._do("kill -KILL $engine; wait $engine")

    def crash(self) -> None:
        """Kill everything, containers too, as in a power failure."""
        self._do("kill -KILL -1; wait $engine")

    def _do(self, line: str) -> None:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        print(line, "echo done", sep="\n", file=self._shell.stdin, flush=True)
        assert self._shell.stdout.readline() == "done\n", (self.folder / "shell").read_text()


@contextmanager
def second_engine(*, live_restore: bool) -> Iterator[SecondEngine]:
    """Run an engine with the small image during the block, and remove all of it afterwards."""
    for program, package in {"dockerd": "docker.io", "unshare": "util-linux"}.items():
        if shutil.which(program) is None:
            pytest.fail(f"There is no {program} here: apt-get install {package}")
    if os.geteuid() != 0:
        pytest.fail("A second engine needs namespaces of its own, and only root may make them.")
    # short, because a socket's path has at most 107 bytes
    folder = Path(tempfile.mkdtemp(prefix="forgehand-engine-"))
    try:
        with (folder / "shell").open("wb") as errors:
            pipe = subprocess.PIPE
            shell = subprocess.Popen(_ALONE.split(), stdin=pipe, stdout=pipe, stderr=errors, text=True)
        with shell:
            engine = SecondEngine(folder, live_restore, shell)
            engine._do(_NO_OTHER)
            engine.start()
            load = f"docker save {small()} | docker --host {engine.url} load"
            subprocess.run(load, shell=True, check=True, capture_output=True)
            yield engine
    finally:
        shutil.rmtree(folder)

"""A base image for machines that cannot reach an image registry.

It is the host's own Debian or Ubuntu, made from the host's apt sources, which it can
reach: its own packages came from there.
"""

import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from bot.domain.errors import BadSettings
from bot.text.invisible import visible

_SECONDS = 1800
_KEYS = "/usr/share/keyrings"
_FIELDS = "$(ORIGIN)|$(RELEASE)|$(REPO_URI)|$(COMPONENT)"


def suite() -> str:
    """Return this machine's suite ("bookworm"). Raises BadSettings if it is neither Debian nor Ubuntu."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    codename = release.get("VERSION_CODENAME", "")
    if not codename or not {"debian", "ubuntu"} & {
        release.get("ID", ""),
        *release.get("ID_LIKE", "").split(),
    }:
        raise BadSettings(
            "No image registry is reachable and this machine is neither Debian nor Ubuntu: "
            "name an existing image with `forgehand images build --base <image>`."
        )
    return codename


@contextmanager
def archive(codename: str, say: Callable[[str], None]) -> Iterator[IO[bytes]]:
    """Make a minimal root of the suite and yield its tar archive. Raises BadSettings if that fails."""
    if shutil.which("mmdebstrap") is None:
        raise BadSettings(
            "No image registry is reachable. Install mmdebstrap, so that a base image can be made from this "
            "machine's apt sources, or name an existing image with --base <image>."
        )
    say(f"no image registry: making a base of {codename} from this machine's apt sources")
    with tempfile.TemporaryFile() as tar:
        done = subprocess.run(
            ["mmdebstrap", "--variant=minbase", "--format=tar", f"--keyring={_KEYS}", codename, "-", "-"],
            input=_sources(codename).encode(),
            stdout=tar,
            stderr=subprocess.PIPE,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            reason = visible(done.stderr.decode(errors="replace"))[-1000:]
            raise BadSettings(f"mmdebstrap could not make a base image:\n{reason}")
        tar.seek(0)
        yield tar


def _sources(codename: str) -> str:
    """Return sources.list lines of the distribution itself, without third-party repositories."""
    command = ["apt-get", "indextargets", "--format", _FIELDS, "Created-By: Packages"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines: dict[str, None] = {}  # an ordered set
    for origin, release, uri, component in (line.split("|") for line in output.splitlines()):
        if origin in {"Debian", "Ubuntu"} and release.partition("-")[0] == codename:
            lines[f"deb {uri} {release} {component}\n"] = None
    if not lines:
        raise BadSettings(f"This machine has no apt source of {codename}. Is `apt-get update` due?")
    return "".join(lines)

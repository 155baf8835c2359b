"""Building the images of containers. A run never pulls an image."""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import shorten
from typing import IO, Any

from docker import APIClient
from docker.errors import APIError, ImageNotFound

from bot.domain.errors import BadSettings
from bot.sandbox.engine.client import connect, engine_errors
from bot.sandbox.images import debian_base, host_base

SMALL = "forgehand-small"
AGENT = "forgehand-agent"

_BASE = "forgehand-base"
_REGISTRYS = "debian:bookworm-slim"
_SECONDS = 3600  # without output of the engine, which reports a step only at its end
_LABEL = "LABEL forgehand=1"
_MADE_FROM = "forgehand.from"  # label: digest or suite
_CHUNK = 1 << 20
_LINE = 100  # characters of a step to show
_PROXY = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_CERTIFICATES = Path("/usr/local/share/ca-certificates")

Say = Callable[[str], None]


def build(
    engine_url: str,
    *,
    which: Sequence[str],
    base: str = "",
    versions: Mapping[str, str] | None = None,
    say: Say,
) -> dict[str, str]:
    """Build the images in `which` (`tools`, `agent`, `small`) and return image name -> id.

    `base` is the image to build on; "" = Debian's slim image, or if no registry has it, one made from this
    machine's own distribution. `versions` are build arguments that replace versions in the Dockerfile of
    the agent image. Raises BadSettings, SandboxFailed, EngineUnavailable.
    """
    api = connect(engine_url)
    api.timeout = _SECONDS
    made = {}
    for each in which:
        if each == "small":
            made[SMALL] = _small(api, say)
            continue
        base = base or _base(api, say)
        arguments = {"BASE": base}
        if each == "agent":
            arguments |= versions or {}
        made[f"forgehand-{each}"] = _from_dockerfile(api, each, arguments, say)
    return made


def agent_is_current(engine_url: str) -> bool:
    """Report whether the agent image is the one that `build` would make now by default, on any base.

    Raises SandboxFailed, EngineUnavailable.
    """
    return _made_from(connect(engine_url), AGENT) == _digest(_files("agent"), "")


def _small(api: APIClient, say: Say) -> str:
    content = host_base.root()
    digest = host_base.digest(content)
    if _made_from(api, SMALL) == digest:
        return _id(api, SMALL)
    say(f"making {SMALL} from this machine's own git, shell and Python")
    changes = [_LABEL, f"LABEL {_MADE_FROM}={digest}", f"ENV PATH={host_base.PATH}", "ENV HOME=/home/agent"]
    before = _id(api, SMALL)
    with host_base.archive(content) as tar:
        _import(api, SMALL, tar, changes)
    if before:
        with suppress(APIError):  # a container still uses it
            api.remove_image(before)
    return _id(api, SMALL)


def _base(api: APIClient, say: Say) -> str:
    """Return the name of an image to build on, pulled or made from this machine's packages."""
    if _id(api, _REGISTRYS):
        return _REGISTRYS
    say(f"looking for {_REGISTRYS}")
    try:
        api.pull(_REGISTRYS)
    except APIError:
        return _own(api, say)
    return _REGISTRYS


def _own(api: APIClient, say: Say) -> str:
    suite = debian_base.suite()
    if _made_from(api, _BASE) != suite:
        with debian_base.archive(suite, say) as tar:
            _import(api, _BASE, tar, [_LABEL, f"LABEL {_MADE_FROM}={suite}"])
    return _BASE


def _import(api: APIClient, name: str, tar: IO[bytes], changes: list[str]) -> None:
    with engine_errors():
        # As chunks, because for a file the library sends a length as well, which chunks must not have.
        chunks = iter(lambda: tar.read(_CHUNK), b"")
        api.import_image_from_stream(chunks, repository=name, tag="latest", changes=changes)


def _from_dockerfile(api: APIClient, which: str, arguments: dict[str, str], say: Say) -> str:
    name = f"forgehand-{which}"
    say(f"building {name} on {arguments['BASE']}")
    files = _files(which)
    own_arguments = "".join(f"{key}={value}" for key, value in arguments.items() if key != "BASE")
    proxies = {key: os.environ[key] for key in _PROXY if key in os.environ}
    with engine_errors(), _context(files) as context:
        steps = api.build(
            fileobj=context,
            custom_context=True,
            tag=name,
            buildargs={**arguments, **proxies},
            labels={"forgehand": "1", _MADE_FROM: _digest(files, own_arguments)},
            rm=True,
            forcerm=True,
            decode=True,
            use_config_proxy=False,
        )
        last: list[str] = []
        for step in steps:
            if "error" in step:
                raise BadSettings(f"{name} could not be built: {step['error']}\n{''.join(last)}")
            last = [*last[-20:], step.get("stream", "")]
            if last[-1].startswith("Step "):
                say(shorten(last[-1], _LINE, placeholder=" ..."))
    return _id(api, name)


def _dockerfile(which: str) -> bytes:
    """Read the Dockerfile: beside this file in an installed package, in deploy/images/ in a checkout."""
    here = Path(__file__)
    beside = here.with_name(f"{which}.Dockerfile")
    return (beside if beside.exists() else here.parents[3] / "deploy" / "images" / beside.name).read_bytes()


def _files(which: str) -> dict[str, tuple[bytes, int]]:
    """Return the context of a build, name -> content and mode, with certificates this machine trusts."""
    files = {
        "Dockerfile": (_dockerfile(which), 0o644),
        "forgehand-demo-agent": (host_base.demo_agent(), 0o755),
        "forgehand-relay": (host_base.relay(), 0o755),
        "ca/none": (b"", 0o644),
    }
    # Certificates that the administrator added: behind a proxy with such a one, downloads need it.
    return files | {
        f"ca/{path.name}": (path.read_bytes(), 0o644) for path in sorted(_CERTIFICATES.glob("*.crt"))
    }


def _digest(files: dict[str, tuple[bytes, int]], own_arguments: str) -> str:
    summary = hashlib.sha256(own_arguments.encode())
    for name, (content, mode) in files.items():
        summary.update(f"{name} {mode} {len(content)} ".encode() + content)
    return summary.hexdigest()


def _context(files: dict[str, tuple[bytes, int]]) -> IO[bytes]:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    file.seek(0)
    return file


def _id(api: APIClient, name: str) -> str:
    """Return the id of an image; "" if it does not exist here."""
    return str(_inspect(api, name).get("Id", ""))


def _made_from(api: APIClient, name: str) -> str:
    labels = _inspect(api, name).get("Config", {}).get("Labels") or {}
    return str(labels.get(_MADE_FROM, ""))


def _inspect(api: APIClient, name: str) -> dict[str, Any]:
    """Return the engine's description of an image; {} if it does not exist here."""
    with engine_errors():
        try:
            return dict(api.inspect_image(name))  # type: ignore[no-untyped-call]
        except ImageNotFound:
            return {}

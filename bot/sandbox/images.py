"""Makes the images containers start from; nothing is ever pulled at the time of a run."""

from collections.abc import Callable, Sequence

from docker import APIClient
from docker.errors import ImageNotFound

from bot.sandbox import small
from bot.sandbox.client import connect, engine_errors

SMALL = "forgehand-small"

_DIGEST = "forgehand.digest"  # label: what an image was made from
_CHUNK = 1 << 20


def build(engine_url: str, *, which: Sequence[str], base: str, say: Callable[[str], None]) -> dict[str, str]:
    """Make the images named (`tools`, `agent`, `small`) and return image name -> id."""
    api = connect(engine_url)
    return {SMALL: _small(api, say)}


def _small(api: APIClient, say: Callable[[str], None]) -> str:
    found = small.root()
    digest = small.digest(found)
    known = _known(api, SMALL, digest)
    if known:
        return known
    say(f"making {SMALL} from this machine's own git, shell and Python")
    changes = [
        "LABEL forgehand=1",
        f"LABEL {_DIGEST}={digest}",
        f"ENV PATH={small.PATH}",
        "ENV HOME=/home/agent",
    ]
    with small.archive(found) as tar, engine_errors():
        # Of a file the library would state the length and also send it in chunks.
        api.import_image_from_stream(iter(lambda: tar.read(_CHUNK), b""), repository=SMALL, changes=changes)
    return str(_known(api, SMALL, digest))


def _known(api: APIClient, name: str, digest: str) -> str:
    """Return the id of the image if it was made from just this, else ""."""
    with engine_errors():
        try:
            image = api.inspect_image(name)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            return ""
    same = (image["Config"]["Labels"] or {}).get(_DIGEST) == digest
    return str(image["Id"]) if same else ""

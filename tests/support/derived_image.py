"""An image with additions to another image, for as long as a test needs it."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bot.sandbox.engine.client import connect


@contextmanager
def image_with(base: str, instructions: str, files: Mapping[str, str] | None = None) -> Iterator[str]:
    """Build the image and yield its id.

    `files` are in the folder of the Dockerfile and are executable: name -> content.
    """
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, text in {"Dockerfile": f"FROM {base}\n{instructions}\n", **(files or {})}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    context.seek(0)
    api = connect("")
    steps = api.build(
        fileobj=context,
        custom_context=True,
        labels={"forgehand": "1"},
        # otherwise two identical Dockerfiles would share one image, and one test would remove the other's
        nocache=True,
        rm=True,
        forcerm=True,
        decode=True,
    )
    [made] = [step["aux"]["ID"] for step in steps if "aux" in step]
    try:
        yield made
    finally:
        api.remove_image(made, force=True)

"""A tools image in which the export or the removal of a marked workspace hangs.

The file `hang-export` or `hang-removal` in its clone is the mark.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.derived_image import image_with
from tests.support.images import small

_GIT = """#!/bin/sh
[ ! -e /workspace/hang-export ] || exec sleep 300
exec /usr/bin/git "$@"
"""
_FIND = """#!/bin/sh
[ ! -e /gone/0/hang-removal ] || exec sleep 300
exec /usr/bin/find "$@"
"""


@contextmanager
def hanging_image() -> Iterator[str]:
    """Build the image and yield its id."""
    with image_with(small(), "COPY git find /usr/local/bin/", {"git": _GIT, "find": _FIND}) as image:
        yield image

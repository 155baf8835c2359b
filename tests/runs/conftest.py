"""What tests of runs share: images that take longer to build than most tests to run."""

from collections.abc import Iterator

import pytest

from tests.support.hanging_tools import hanging_image


@pytest.fixture(scope="session")
def hanging_tools() -> Iterator[str]:
    """Build the tools image in which exports and removals hang, once for all tests that only read it."""
    with hanging_image() as image:
        yield image

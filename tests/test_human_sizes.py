"""Sizes are told in the unit that suits them."""

import pytest

from bot.sizes import human


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (10 << 10, "10 KiB"),
        (3 << 19, "1.5 MiB"),
        (512 << 20, "512 MiB"),
        (19 << 29, "9.5 GiB"),
        (2048 << 30, "2,048 GiB"),
    ],
)
def test_a_size_is_told_in_the_largest_unit_it_has_one_of(size: int, said: str) -> None:
    assert human(size) == said

"""The image of this machine's own programs, made once a test session."""

from functools import cache

from bot.sandbox import images


@cache
def small() -> str:
    """Its name."""
    images.build("", which=["small"], base="", say=lambda _line: None)
    return images.SMALL

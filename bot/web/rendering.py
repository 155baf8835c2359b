"""The environment in which all pages are rendered.

Strangers choose much of the text on a page: a title, a login, an agent's output.
The environment therefore cleans and escapes every string that a template
prints. A template cannot forget to do it, and none uses `safe`.
"""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bot.text.sanitize import shown
from bot.text.units import iso, moment, precise_duration

STYLE = Path(__file__).with_name("style.css").read_text()


def environment(secrets: Sequence[str]) -> Environment:
    """Build the environment once for a process; `secrets` are removed from every page."""

    def clean(value: object) -> object:
        # Markup is already clean: it is the output of a macro, the style sheet, or a log that was
        # cleaned on reading.
        return shown(value, secrets) if isinstance(value, str) and not isinstance(value, Markup) else value

    pages = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=PackageLoader("bot.web"),
        finalize=clean,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    pages.filters.update(iso=iso, moment=moment, duration=precise_duration, times=_times)
    pages.tests["web_address"] = _is_web_address
    # Not escaped: browsers read no entities within <style>, and the content security policy has the hash
    # of these bytes. The file is part of this package and has no text of others.
    pages.globals["style"] = Markup(STYLE)
    return pages


def _is_web_address(url: str) -> bool:
    """Return False for other schemes: following `javascript:`, for instance, would run it."""
    return url.startswith(("https://", "http://"))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"

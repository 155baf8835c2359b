"""The environment of the templates: it cleans and escapes every text, and finds mistakes in templates."""

import re

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from bot.web.rendering import environment

PAGES = environment(["hunter2hunter2"])


def rendered(source: str, **values: object) -> str:
    return PAGES.from_string(source).render(**values)


def test_a_text_is_cleaned_and_escaped_by_default() -> None:
    text = "<b>\u202e\x1b[31mhunter2hunter2"

    assert rendered("{{ text }}", text=text) == "&lt;b&gt;[redacted]"


def test_a_text_in_a_macro_is_cleaned_and_escaped_once() -> None:
    source = "{% macro twice(text) %}{{ text }}{{ text }}{% endmacro %}{{ twice(text) }}"

    assert rendered(source, text="<&\u200b>") == "&lt;&amp;&gt;" * 2


def test_text_joined_in_a_template_is_escaped() -> None:
    assert rendered("{{ 'a ' ~ text }}", text="<b>") == "a &lt;b&gt;"


def test_numbers_are_printed_unchanged() -> None:
    assert rendered("{{ number }}", number=7) == "7"


@pytest.mark.parametrize("source", ["{{ nothing }}", "{{ text.nothing }}", "{% if nothing %}{% endif %}"])
def test_an_unknown_name_is_an_error(source: str) -> None:
    with pytest.raises(UndefinedError):
        rendered(source, text="x")


def test_only_templates_of_the_package_are_found() -> None:
    with pytest.raises(TemplateNotFound):
        PAGES.get_template("../style.css")


def test_all_templates_compile_and_none_switches_escaping_off() -> None:
    names = PAGES.list_templates(extensions=["j2"])

    assert "task.html.j2" in names
    for name in names:
        PAGES.get_template(name)
        assert PAGES.loader is not None
        source = PAGES.loader.get_source(PAGES, name)[0]
        assert not re.search(r"\|\s*safe\b|\bautoescape\b", source), name


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (11.5, "12 s"),
        (119.4, "119 s"),
        (120, "2 min 0 s"),
        (3725, "62 min 5 s"),
    ],
)
def test_the_filter_for_durations(seconds: float, text: str) -> None:
    assert rendered("{{ seconds | duration }}", seconds=seconds) == text


@pytest.mark.parametrize(("count", "text"), [(1, "once"), (2, "2 times"), (1234, "1,234 times")])
def test_the_filter_for_counts(count: int, text: str) -> None:
    assert rendered("{{ count | times }}", count=count) == text

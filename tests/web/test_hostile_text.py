"""Hostile text in any field of a page is shown as text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from typing import Any

import pytest
from markupsafe import Markup, escape

from bot.domain.lifecycle import Phase, State
from bot.web import task_page
from bot.web.rendering import environment
from bot.web.task_view import (
    EndedView,
    FactsView,
    LinkView,
    PhaseView,
    ResultView,
    RunningView,
    RunView,
    TargetsView,
    TargetView,
    TaskView,
    WaitingView,
    WorkspaceView,
)

SECRET = "hunter2hunter2"
PAGES = environment([SECRET])
LINK = LinkView(text="text", url="https://forge.test/x")
TARGETS = TargetsView(listed=[TargetView(name="pip.test:443", count=2, note="1 B sent")], others=3)
RESULTS: list[ResultView] = [
    WaitingView(position=2, continues_at=None),
    WaitingView(position=2, continues_at=2.0),
    RunningView(phase=Phase.AGENT, since=None, doing="Edit x"),
    EndedView(
        state=State.FAILED, sentence="It failed.", reason="why", place="on the thread", command="/resume"
    ),
]
HOSTILE = [
    "</title></style></pre><script>alert(1)</script><img src=x onerror=alert(1)>",
    "\"><b onmouseover='alert(1)'>'\"",
    "' onfocus=alert(1) autofocus '",
    "javascript:alert(1)",
    "java\u200bscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    'https://forge.test/"onmouseover="alert(1)"><script>alert(1)</script>',
    "https://forge.test/ onfocus=alert(1) autofocus ",
    "&lt;script&gt;&quot;&#x3c;script>",
    "{{ 7 * 7 }}{% raw %}<!-- ]]>",
    f"a\x00b\x1b[31mc\x9bd\u202ee\u2066f\ufeffg {SECRET} hun\u200bter2hunter2",
]
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


RUN = RunView(
    number=1,
    state=State.FAILED,
    outcome="out of memory",
    exit_status=137,
    asked_by="ann",
    asked_at=1.0,
    request="tidy it",
    phases=[PhaseView(phase=Phase.AGENT, started_at=1.0, ended_at=None)],
    session="The session.",
    reason="why",
    summary="I did it.",
    unexported="Left behind.",
    refusals=[("comment", "too long")],
    models="2 requests",
    reached=TARGETS,
    blocked=TARGETS,
)
FACTS = FactsView(
    repository="https://forge.test/acme/r1",
    branch=LINK,
    commit=LINK,
    change=LINK,
    base="main",
    has_patch=True,
    agent="demo",
    asked_at=1.0,
    workspace=WorkspaceView(removed=True, retained_until=2.0, stuck=["t1", "t1.gone"]),
)


def a_view(result: ResultView) -> TaskView:
    """Return a task with a value in every field."""
    return TaskView(
        id="t1",
        title="Tidy the parser",
        state=State.FAILED,
        thread=LINK,
        result=result,
        facts=FACTS,
        runs=[RUN, RUN],
        log=escape("one line\n"),
        key="k" * 64,
        now=3.0,
    )


class ParsedPage(HTMLParser):
    """A page as a browser parses it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[str]]] = []  # tags, with the names of their attributes
        self.addresses: list[str] = []
        self.text = ""
        self.others: list[str] = []  # comments and declarations
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.addresses += [value or "" for name, value in attrs if name == "href"]
            assert [name for name, _ in attrs] == ["href"]
        else:
            self.elements.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)


def each_with(value: Any, text: str, path: str = "") -> Iterator[tuple[str, Any]]:
    """For each string in the value, yield its path and a copy of the value with `text` in its place."""
    if isinstance(value, Markup):
        yield path, escape(text)
    elif isinstance(value, str):
        yield path, text
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            for name, changed in each_with(getattr(value, field.name), text, f"{path}.{field.name}"):
                yield name, replace(value, **{field.name: changed})
    elif isinstance(value, Sequence):
        for number, item in enumerate(value):
            for name, changed in each_with(item, text, f"{path}[{number}]"):
                yield name, type(value)([*value[:number], changed, *value[number + 1 :]])  # type: ignore[call-arg]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("result", RESULTS, ids=lambda each: each.kind)
def test_hostile_text_in_any_field_is_not_markup(result: ResultView, hostile: str) -> None:
    view = a_view(result)
    usual = ParsedPage(task_page.render(PAGES, view))

    for field, changed in each_with(view, hostile):
        if not isinstance(result, EndedView) and not field.startswith(".result"):
            continue  # these do not depend on the result
        html = task_page.render(PAGES, changed)
        page = ParsedPage(html)

        assert page.elements == usual.elements, field
        assert page.others == [], field
        assert all(map(is_harmless, page.addresses)), field
        if field != ".log":  # the log is cleaned when it is read
            assert not INVISIBLE.search(html), field
            assert SECRET not in html, field


def is_harmless(address: str) -> bool:
    """Return whether the address is a web address or relative."""
    return address.startswith(("https://", "http://")) or ":" not in address


def test_the_hostile_text_is_tried_in_every_field_once() -> None:
    tried = [field for field, _ in each_with(a_view(RESULTS[-1]), "x")]

    assert len(tried) == len(set(tried))
    for field in (".title", ".thread.url", ".result.command", ".runs[1].refusals[0][1]", ".log", ".key"):
        assert field in tried


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_can_still_be_read(hostile: str) -> None:
    view = a_view(RESULTS[-1])
    expected = re.sub(r"\x1b\[31m|\x9bd", "", hostile)
    expected = INVISIBLE.sub("", expected).replace(SECRET, "[redacted]")

    page = ParsedPage(
        task_page.render(PAGES, replace(view, title=hostile, facts=replace(FACTS, base=hostile)))
    )

    assert page.text.count(expected) == 3  # the title is in the head and in the body


def test_an_address_of_another_scheme_is_not_a_link() -> None:
    change = LinkView(text="#9", url="JavaScript:alert(1)")
    view = replace(a_view(RESULTS[-1]), facts=replace(FACTS, change=change))

    page = ParsedPage(task_page.render(PAGES, view))

    assert "#9" in page.text
    assert not any("alert" in address for address in page.addresses)

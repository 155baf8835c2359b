"""The golden files of all texts about the end of a run.

`python -m tests.reports.golden` writes them anew; with the name of a file, it also renders all of them into
one HTML page, as a forge would show them.
"""

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

from tests.reports.ended_runs import FORGE_NAMES, cases, change_case

FOLDER = Path(__file__).parent / "golden"
_STYLE = """
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }
body { max-width: 1600px; margin: 1rem auto; display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
article { border: 1px solid #8886; border-radius: 6px; min-width: 0; }
h2 { font-size: 12px; margin: 0; padding: .4rem 1rem; background: #8882; border-bottom: 1px solid #8886; }
section { padding: .2rem 1rem; overflow-wrap: anywhere; }
code { background: #8883; border-radius: 4px; padding: .1em .3em; font-size: 12px; }
pre { background: #8882; padding: .6rem; overflow-x: auto; } pre code { background: none; padding: 0; }
blockquote { margin: 0 0 .6rem; padding-left: .8rem; border-left: 3px solid #8886; opacity: .85; }
"""


def texts() -> Iterator[tuple[str, str]]:
    """Yield the name of each golden file below the folder, and its content."""
    for forge in FORGE_NAMES:
        for case in cases(forge):
            yield f"{forge}/{case.name}.md", f"{case.text()}\n"
        yield f"{forge}/change.md", f"{change_case(forge)}\n"


def _render() -> str:
    markdown = MarkdownIt("commonmark", {"html": True})
    articles = [
        f"<article><h2>{escape(name)}</h2><section>{markdown.render(text)}</section></article>"
        for name, text in sorted(texts(), key=lambda each: each[0].partition("/")[::-1])
    ]
    return f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style>{"".join(articles)}'


def _write() -> None:
    for old in FOLDER.glob("*/*.md"):
        old.unlink()
    for name, text in texts():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    _write()
    for page in sys.argv[1:]:
        Path(page).write_text(_render())

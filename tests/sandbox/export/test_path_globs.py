"""Globs match the same paths in one pass as the standard library does from each path component."""

import re
from fnmatch import fnmatchcase

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.agents.registry import instruction_files
from bot.sandbox.export.path_globs import Pattern
from bot.sandbox.export.protected_paths import DEFAULT as OWN

DEFAULT = (*OWN, *instruction_files())  # the globs of an export

GLOBS = st.lists(
    st.sampled_from(
        ["a", "b", "A", "/", "*", "**", "?", "[ab]", "[!a]", "[", "]", "[]a]", "[!]", ".md", "\u00df"]
    ),
    max_size=8,
).map("".join)
PATHS = st.lists(
    st.sampled_from(["a", "b", "A", "/", "/", ".md", "\u00df", "ss", "[", "]", "!", "\n"]), max_size=14
).map("".join)
NAMES = [part for glob in DEFAULT for part in re.split("[*/]", glob) if part]
LIKELY = st.lists(st.sampled_from([*NAMES, "x", ".yml", *"/" * 30]), max_size=10).map("".join)


def matches(glob: str, path: str) -> bool:
    """Match from each possible start, and for a folder also all paths below it."""
    plain, folded = glob.strip("/").casefold(), path.casefold()
    starts = [0, *(at + 1 for at, letter in enumerate(folded) if letter == "/")]
    if "/" in glob.rstrip("/"):
        starts = [0]
    wanted = [plain, f"{plain}/*"] if glob.endswith("/") else [plain]
    return any(fnmatchcase(folded[start:], each) for start in starts for each in wanted)


@settings(deadline=None, max_examples=300)
@given(st.lists(GLOBS, max_size=3), PATHS)
def test_a_glob_matches_from_the_start_of_any_path_component(globs: list[str], path: str) -> None:
    assert Pattern(globs).matches(path) == any(matches(glob, path) for glob in globs)


@settings(deadline=None, max_examples=150)
@given(LIKELY)
def test_the_default_globs_match_in_the_same_way(path: str) -> None:
    assert Pattern(DEFAULT).matches(path) == any(matches(glob, path) for glob in DEFAULT)


def test_very_long_paths_can_be_matched() -> None:
    """Patterns that restart at every path component would take hours for these."""
    pattern = Pattern([*DEFAULT, "*a*b*c*d*e*f"])

    assert not pattern.matches("lefthook" + "/.y" * 100_000)
    assert not pattern.matches("abcde/" * 50_000)
    assert pattern.matches("a/" * 100_000 + "CLAUDE.md")

"""Protected paths."""

from collections.abc import Sequence

import pytest

from bot.agents.registry import instruction_files
from bot.sandbox.export.path_globs import Pattern
from bot.sandbox.export.protected_paths import DEFAULT as OWN
from bot.sandbox.export.protected_paths import reason

DEFAULT = (*OWN, *instruction_files())  # the globs of an export


def protected(paths: Sequence[str], globs: Sequence[str] = DEFAULT) -> list[str]:
    """Return those of the paths that match, sorted."""
    pattern = Pattern(globs)
    return sorted(path for path in paths if pattern.matches(path))


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.yml",
        ".GitHub/Workflows/CI.yml",
        ".gitlab-ci.yml",
        "sub/build.gitlab-ci.yaml",
        "docs/CODEOWNERS",
        ".github/dependabot.yml",
        "renovate.json5",
        ".gitmodules",
        "deep/down/CLAUDE.md",
        "pkg/.claude/settings.json",
        ".claude",
        ".vscode/tasks.json",
        ".devcontainer/devcontainer.json",
        ".husky/pre-push",
        "Jenkinsfile.release",
    ],
)
def test_a_protected_path_is_found_at_any_depth_and_in_any_letter_case(path: str) -> None:
    assert protected([path]) == [path]


@pytest.mark.parametrize(
    "path",
    ["src/ci.py", "docs/agents.rst", "x/.github/workflows/a.yml", ".github/ISSUE_TEMPLATE.md", "claude.py"],
)
def test_an_ordinary_path_is_not_protected(path: str) -> None:
    assert protected([path]) == []


def test_a_star_matches_slashes_and_the_glob_of_a_folder_matches_all_paths_below_it() -> None:
    for path in (
        "azure-pipelines/build.yml",
        "x/.clinerules/a/b",
        "lefthook/x/y.yaml",
        ".github/prompts/a/b",
    ):
        assert protected([path]) == [path]


def test_a_path_with_a_line_end_is_matched_as_a_whole() -> None:
    assert protected(["a\nb/CLAUDE.md", ".vscode/a\nb"]) == [".vscode/a\nb", "a\nb/CLAUDE.md"]


def test_the_globs_of_the_operator_replace_the_default_globs() -> None:
    assert protected(["secrets/a", ".gitlab-ci.yml"], ["secrets/"]) == ["secrets/a"]
    assert protected([".gitlab-ci.yml"], []) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".github/workflows/ci.yml", "CI runs it, with its secrets"),
        ("sub/.GitHub/Workflows/ci.yml", "agents obey it"),
        ("deep/down/ci.gitlab-ci.yml", "CI runs it, with its secrets"),
        (".gitlab/ci/a/b.yml", "CI runs it, with its secrets"),
        ("docs/CODEOWNERS", "it decides on reviews or updates"),
        (".gitmodules", "git fetches from the addresses in it"),
        (".vscode/tasks.json", "editors, shells or hooks obey it"),
        ("forgehand.toml", "it has the bot's settings"),
        ("AGENTS.md", "agents obey it"),
    ],
)
def test_each_protected_path_has_its_reason(path: str, expected: str) -> None:
    assert reason(path) == expected

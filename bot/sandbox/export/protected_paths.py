"""Protected paths: files that take effect without a person's decision.

A change to one of these needs approval: CI runs the file with secrets, an editor or the
next agent obeys it, or a forge takes review rules from it.
"""

from collections.abc import Sequence

from bot.sandbox.export.path_globs import Pattern

# Syntax as in .gitignore: a name matches at any depth, a slash inside or in front ties it to the top folder,
# a slash at the end means the folder and all paths below it. Letter case is ignored.

_BY_REASON = {
    "CI runs it, with its secrets": (
        ".github/workflows/",
        ".github/actions/",
        ".gitea/",
        ".forgejo/",
        ".gitlab/",
        "*.gitlab-ci.y*ml",
        "action.y*ml",
        ".circleci/",
        ".buildkite/",
        ".teamcity/",
        ".semaphore/",
        ".woodpecker*",
        ".woodpecker/",
        ".azure-pipelines/",
        "azure-pipelines*.y*ml",
        "bitbucket-pipelines.yml",
        ".travis.yml",
        ".drone.y*ml",
        ".cirrus.yml",
        "*appveyor.yml",
        "cloudbuild.y*ml",
        "buildspec.y*ml",
        "Jenkinsfile*",
    ),
    "it decides on reviews or updates": (
        "CODEOWNERS",
        "dependabot.y*ml",
        "renovate.json*",
        ".renovaterc*",
        ".gitattributes",
    ),
    "git fetches from the addresses in it": (
        ".gitmodules",
        ".lfsconfig",
    ),
    "editors, shells or hooks obey it": (
        ".vscode/",
        ".idea/",
        ".zed/",
        ".fleet/",
        ".devcontainer/",
        ".devcontainer.json",
        ".gitpod.y*ml",
        "*.code-workspace",
        ".envrc",
        ".exrc",
        ".nvimrc",
        ".nvim.lua",
        ".dir-locals.el",
        ".husky/",
        ".githooks/",
        ".pre-commit-config.y*ml",
        ".pre-commit-hooks.y*ml",
        "*lefthook*.y*ml",
    ),
    "it has the bot's settings": ("forgehand.toml",),
}
# Without the files that agents obey: each kind of agents declares its own.
DEFAULT = tuple(glob for globs in _BY_REASON.values() for glob in globs)
_FOR_AGENTS = "agents obey it"


def pathspecs(globs: Sequence[str]) -> list[str]:
    """Convert globs to git's pathspecs, which match a folder and a file of the same name."""
    plain = [("" if "/" in glob.rstrip("/") else "**/") + glob.strip("/") for glob in globs]
    return [f":(icase,glob){each}{below}" for each in plain for below in ("", "/**")]


def reason(path: str) -> str:
    """Return the reason for which a protected path is protected, as part of a sentence."""
    return next((why for why, globs in _BY_REASON.items() if Pattern(globs).matches(path)), _FOR_AGENTS)

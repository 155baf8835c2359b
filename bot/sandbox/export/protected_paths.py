"""Paths whose content runs, commands or decides without anybody choosing it.

A change to one of these waits for a person: CI runs it with secrets, an editor
or the next agent obeys it, a review rule is made of it.
"""

from collections.abc import Sequence

# As in .gitignore: a name matches at any depth, a slash inside or in front ties it to the top,
# one at the end means the folder and all below it. Letter case does not count.

# Without the files that agents obey: each kind of agents declares its own.
DEFAULT = (
    # continuous integration and deployment
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
    # who reviews, who updates, what a review shows
    "CODEOWNERS",
    "dependabot.y*ml",
    "renovate.json*",
    ".renovaterc*",
    ".gitattributes",
    # where git fetches more from
    ".gitmodules",
    ".lfsconfig",
    # what editors, shells and hooks run
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
    # ourselves
    "forgehand.toml",
)


def pathspecs(globs: Sequence[str]) -> list[str]:
    """Return these globs as pathspecs of git; they match a file in place of a folder, and the reverse."""
    plain = [("" if "/" in glob.rstrip("/") else "**/") + glob.strip("/") for glob in globs]
    return [f":(icase,glob){each}{below}" for each in plain for below in ("", "/**")]

"""Agent `command`: any command line. What it is given, and where it leaves what it has to say.

Its prompt comes on stdin, opened inside the container: the host writes nothing to
a running agent, because a worker may die in between. It may write
`/task/out/result.json` (summary, title, session) and `/task/out/question.md`,
which ends the run as a question.
"""

from collections.abc import Sequence

from bot.sandbox.rewrite import Identity

HOME = "/home/agent"
_ON_STDIN = 'exec "$@" </task/prompt.md'


def argv(command: Sequence[str]) -> list[str]:
    """The command line of the sandbox."""
    return ["sh", "-c", _ON_STDIN, "sh", *command]


def environment(
    *, task: str, run: str, resume: bool, agent: str, base: str, branch: str, identity: Identity
) -> dict[str, str]:
    """What the agent finds in its environment; none of it is secret."""
    git = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", identity.name), ("EMAIL", identity.email))
    }
    return {
        **git,
        # The clone belongs to the bot's user, the agent is another.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "/workspace",
        "HOME": HOME,
        "XDG_CACHE_HOME": f"{HOME}/.cache",
        "XDG_CONFIG_HOME": f"{HOME}/.config",
        "XDG_DATA_HOME": f"{HOME}/.local/share",
        "FORGEHAND_TASK": task,
        "FORGEHAND_RUN": run,
        "FORGEHAND_RESUME": "1" if resume else "",
        "FORGEHAND_AGENT": agent,
        "FORGEHAND_BASE": f"origin/{base}",
        "FORGEHAND_BRANCH": branch,
    }

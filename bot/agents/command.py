"""Any command line as an agent.

It finds the prompt on its stdin, the checkout in its working folder and facts in
FORGEHAND_*; it may write result.json and question.md into /task/out, and its exit
status says whether it did well. Stdin is opened inside the container: a worker
that held it open could die, and would take the agent with it.
"""

from collections.abc import Sequence

from bot.model import Identity

_HOME = "/home/agent"


def argv(command: Sequence[str]) -> list[str]:
    """Return the command line with the prompt on its stdin."""
    return ["sh", "-c", 'exec "$@" </task/prompt.md', "sh", *command]


def environment(
    *, task: str, run: str, resume: bool, agent: str, base: str, branch: str, identity: Identity
) -> dict[str, str]:
    """Return the agent's environment; it holds no secret."""
    facts = {
        "TASK": task,
        "RUN": run,
        "RESUME": "1" if resume else "",
        "AGENT": agent,
        "BASE": base,
        "BRANCH": branch,
    }
    return {
        **{f"FORGEHAND_{name}": value for name, value in facts.items() if value},
        "HOME": _HOME,
        "XDG_CONFIG_HOME": f"{_HOME}/.config",
        "XDG_CACHE_HOME": f"{_HOME}/.cache",
        "XDG_DATA_HOME": f"{_HOME}/.local/share",
        "XDG_STATE_HOME": f"{_HOME}/.local/state",
        "LANG": "C.UTF-8",
        "GIT_AUTHOR_NAME": identity.name,
        "GIT_AUTHOR_EMAIL": identity.email,
        "GIT_COMMITTER_NAME": identity.name,
        "GIT_COMMITTER_EMAIL": identity.email,
        # The checkout's folder is the bot's, and git asks whose it is.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "/workspace",
    }

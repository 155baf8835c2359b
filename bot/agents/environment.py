"""What every agent finds in its environment: facts about its run, a home, a git identity."""

from bot.agents.agent import HOME, Start


def environment(start: Start) -> dict[str, str]:
    """Return it; it holds no secret but the run's own token, which opens nothing but its own way out."""
    return {
        **{f"FORGEHAND_{name}": value for name, value in _facts(start).items() if value},
        "HOME": HOME,
        "XDG_CONFIG_HOME": f"{HOME}/.config",
        "XDG_CACHE_HOME": f"{HOME}/.cache",
        "XDG_DATA_HOME": f"{HOME}/.local/share",
        "XDG_STATE_HOME": f"{HOME}/.local/state",
        "LANG": "C.UTF-8",
        "GIT_AUTHOR_NAME": start.identity.name,
        "GIT_AUTHOR_EMAIL": start.identity.email,
        "GIT_COMMITTER_NAME": start.identity.name,
        "GIT_COMMITTER_EMAIL": start.identity.email,
        # The checkout's folder is the bot's, and git asks whose it is.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "/workspace",
        **_proxy(start),
    }


def _facts(start: Start) -> dict[str, str]:
    return {
        "TASK": start.task,
        "RUN": start.run,
        "RESUME": "1" if start.resume else "",
        "SESSION": start.session,
        "AGENT": start.agent,
        "MODEL": start.model,
        "BASE": start.base,
        "BRANCH": start.branch,
        "GATEWAY": start.outside.url if start.outside else "",
        "TOKEN": start.outside.token if start.outside else "",
    }


def _proxy(start: Start) -> dict[str, str]:
    """What package managers look at. What is inside is reached without it: the relay, and its own servers."""
    if start.outside is None or not start.outside.packages:
        return {}
    scheme, _, where = start.outside.url.partition("://")
    proxy = f"{scheme}://forgehand:{start.outside.token}@{where}"
    inside = "localhost,127.0.0.1,::1"
    names = {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": inside}
    return {**names, **{name.lower(): value for name, value in names.items()}}

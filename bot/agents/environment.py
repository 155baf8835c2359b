"""The environment of every agent: facts about its run, a home, a git identity."""

from bot.agents.agent import HOME, Start


def environment(start: Start) -> dict[str, str]:
    """Return the variables. The only secret in them is the run's own token, which opens only its gateway."""
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
        # The bot's user owns the folder of the checkout, and git refuses a repository of another user.
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
        "GATEWAY": start.endpoint.url if start.endpoint else "",
        "TOKEN": start.endpoint.token if start.endpoint else "",
    }


def _proxy(start: Start) -> dict[str, str]:
    """Return the proxy variables of package managers. The relay and the agent's own servers need no proxy."""
    if start.endpoint is None or not start.endpoint.packages:
        return {}
    scheme, _, address = start.endpoint.url.partition("://")
    proxy = f"{scheme}://forgehand:{start.endpoint.token}@{address}"
    local = "localhost,127.0.0.1,::1"
    names = {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": local}
    return {**names, **{name.lower(): value for name, value in names.items()}}

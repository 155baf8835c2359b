"""The defaults of commands: agent, wall limits, labels. They come from the settings."""

from bot.app import configured_forges
from bot.app.settings.settings import Settings
from bot.commands import triggers
from bot.tasks.verbs import Defaults
from handlers import router


def defaults(settings: Settings) -> Defaults:
    """Return the defaults of commands: the first agent of the settings, and the wall limits.

    Raises BadSettings if a label of the settings stands for an impossible command.
    """
    return Defaults(
        agents=list(settings.agents),
        agent=next(iter(settings.agents), ""),
        wall_limit=settings.sandbox.wall_limit,
        wall_limits={
            path: own.wall_limit
            for path, own in settings.limits.repositories.items()
            if own.wall_limit is not None
        },
        bot_names=configured_forges.bot_names(settings),
        labels=triggers.checked(settings.labels.run, settings.agents, router.route("run").options),
    )

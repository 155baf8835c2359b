"""What must be so before anything starts, refused in words that say what to do next.

A bot that comes up half is worse than one that does not.
"""

from collections.abc import Sequence

import redis
import structlog

from bot.app import queues
from bot.app.settings.load import NAME, Settings
from bot.domain.errors import BadSettings, SandboxFailed
from bot.gateway import ecosystems, endpoint
from bot.runs.runtime import Runtime
from bot.sandbox import container_names
from bot.sandbox.engine.containers import Mount
from bot.store import data_folder

_SEEN_WITHIN = 60.0  # seconds for a container that does next to nothing
_OTHERWISE = "Use an image that has it and whose hosts are public, or name the hosts under [network] allow."
# Prints those of its arguments that are not in PATH.
_LOOK = 'test -f /seen || exit 1; for each; do command -v "$each" >/dev/null || echo "$each"; done'
_log = structlog.get_logger()


def fit(runtime: Runtime, sets: Sequence[str]) -> Runtime:
    """The house once agents may work in it, with a way to what `sets` of package hosts stand for.

    Raises BotError.
    """
    check(runtime)
    if data_folder.is_open(runtime.data):
        _log.warning("other users may read the data folder: chmod o-rwx it", folder=str(runtime.data.root))
    return runtime.reaching(hosts_of_sets(runtime, sets))


def check(runtime: Runtime) -> None:
    """Refuse to work without agents that have their models, an engine that answers, and both images.

    And where a sandbox would lack a file of ours or an agent's program. Raises BotError.
    """
    if not runtime.agents:
        raise BadSettings(
            f"[agents] names no agent. Give {NAME} one, for instance:\n"
            '  [agents.demo]\n  command = "forgehand-demo-agent"'
        )
    for name, agent in runtime.agents.items():
        _require_provider(runtime, name, agent.provider)
    _require_prices(runtime)
    if unenforceable := runtime.engine.check():
        _log.warning("the engine does not limit what agents take", of=", ".join(unenforceable))
    for image in (runtime.tools_image, runtime.image):
        runtime.engine.require_image(image)
    _require_all_inside(runtime)


def _require_all_inside(runtime: Runtime) -> None:
    """What a sandbox must find.

    A file of ours: the engine mounts what its own machine has at a path. The program of each agent: without
    it a run would tell no more than an exit status.
    """
    mine = runtime.data.worker(runtime.worker.holder)
    programs = [agent.program for agent in runtime.agents.values() if "/" not in agent.program]
    if runtime.gateway.providers or runtime.gateway.hosts:
        programs.append(endpoint.RELAY)
    try:
        missing = _said_by(runtime, _LOOK, programs, [Mount(source=mine, target="/seen")]).split()
    except SandboxFailed as error:
        raise BadSettings(
            f"A container could not be given a file of {runtime.data.root}: {error} If the bot itself runs "
            "in a container, its data folder must have the same path in there as on the engine's machine: "
            "see docs/operating.md."
        ) from error
    if missing:
        raise BadSettings(
            f"The image {runtime.image} has no {' and no '.join(missing)}. That of an older bot lacks what a "
            "newer one starts in it: `forgehand images build` makes it anew. An image of your own needs the "
            "programs that [agents] names, and forgehand-relay for agents that reach anything."
        )


def hosts_of_sets(runtime: Runtime, sets: Sequence[str]) -> list[str]:
    """Ask the agents' image which hosts these sets of ecosystems.CLIENTS stand for, and log it.

    Raises BotError; BadSettings where one of them stands for none.
    """
    if not sets:
        return []
    found = ecosystems.hosts(_said_of(runtime, sets))
    for name in sets:
        if not found.get(name):
            raise BadSettings(
                f"[network] sets has {name}, but {name} in the image {runtime.image} is set to fetch from no "
                f"host with a name and the usual port. {_OTHERWISE}"
            )
    _log.info("agents may fetch packages", **found)
    return [host for name in sets for host in found[name]]


def _said_of(runtime: Runtime, sets: Sequence[str]) -> str:
    try:
        return _said_by(runtime, ecosystems.script(sets))
    except SandboxFailed as error:
        raise BadSettings(
            f"[network] sets has {', '.join(sets)}, and one of them could not be asked in the image "
            f"{runtime.image}: {error} {_OTHERWISE}"
        ) from error


def _said_by(runtime: Runtime, script: str, args: Sequence[str] = (), mounts: Sequence[Mount] = ()) -> str:
    """What a script says in the agents' image. Raises BotError."""
    name = container_names.image_check(runtime.worker.holder.rpartition("/")[2])
    said = runtime.engine.tool(
        name=name, image=runtime.image, script=script, args=args, mounts=mounts, seconds=_SEEN_WITHIN
    )
    return said.decode(errors="replace")


def _require_provider(runtime: Runtime, name: str, provider: str) -> None:
    """An agent without its models would start, fail and be paid for in somebody's time."""
    if provider and provider not in runtime.gateway.providers:
        raise BadSettings(
            f"[agents] {name} needs the models of [models.{provider}], which has no key. Give it one:\n"
            f"  FORGEHAND_MODELS__{provider.upper()}__KEY_FILE names a file with the key; docs/operating.md "
            "has other settings."
        )


def _require_prices(runtime: Runtime) -> None:
    """A budget in dollars lets out only what has a price: a provider without any would never be asked."""
    budget = runtime.gateway.budget
    unpriced = [name for name, provider in runtime.gateway.providers.items() if not provider.prices]
    if unpriced and any(limit.usd is not None for limit in (budget.per_run, budget.per_day)):
        raise BadSettings(
            f"[budget] has a limit in usd, but [models.{unpriced[0]}] has no prices, so all that is asked of "
            "it would be refused. Give it some, in US dollars for a million tokens, or limit tokens or "
            'requests instead:\n  prices = { "<model>*" = { input = 1.0, output = 5.0 } }'
        )


def check_forge(settings: Settings) -> None:
    """Refuse to speak to no forge at all, or to hear one that we could not answer. Raises BadSettings."""
    sections = settings.forges
    mute = [name for name, section in sections.items() if section.can_receive and not section.token]
    if not mute and not any(section.token for section in sections.values()):
        mute = list(sections)
    if mute:
        keys = " and ".join(f"[{name}] token" for name in mute)
        variables = " or ".join(f"FORGEHAND_{name.upper()}__TOKEN" for name in mute)
        raise BadSettings(
            f"{keys} {'is' if len(mute) == 1 else 'are'} empty: the bot could not ask for permissions, push "
            f"or answer. Make a token for its account; give it there, or in {variables}, or in a file named "
            "by that with _FILE at its end."
        )


def check_redis(settings: Settings, command: str) -> None:
    """Refuse to share work without a Redis that answers. Raises BadSettings."""
    url = settings.queue.url.get_secret_value()
    if not url:
        raise BadSettings(
            f"`forgehand {command}` shares its work with other processes and needs [queue] url, such as "
            "redis://127.0.0.1:6379/0. For everything in one process: `forgehand up`."
        )
    try:
        queues.client(url).ping()
    except redis.RedisError as error:
        raise BadSettings(
            f"Redis at [queue] url does not answer ({type(error).__name__}). Is it up?"
        ) from None

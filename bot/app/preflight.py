"""The checks before anything starts. Each error says what to do next.

A bot that does not start is better than one of which a part does not work.
"""

from collections.abc import Sequence

import redis
import structlog

from bot.app import queues
from bot.app.settings.settings import Settings
from bot.app.settings.source import NAME
from bot.domain.errors import BadSettings, SandboxFailed
from bot.gateway import ecosystems, endpoint
from bot.runs.runtime import Runtime
from bot.sandbox import container_names
from bot.sandbox.engine.containers import Mount
from bot.store import data_folder

_CONTAINER_PATIENCE = 60.0  # seconds for a container that does almost nothing
_ALTERNATIVES = (
    "Use an image that has it and whose hosts are public, or name the hosts under [network] allow."
)
# Fails unless a VM socket is refused and io_uring is unknown, as by our own filter.
_FILTERED = """
/usr/bin/perl -e 'exit 9 if socket(my $s, 40, 1, 0) or $! != 1; syscall(425, 0, 0); exit 9 if $! != 38'
"""
# Fails if the mounted file is missing, and prints those of its arguments that are not in PATH.
_LOOK = 'test -f /seen || exit 1; for each; do command -v "$each" >/dev/null || echo "$each"; done'
_log = structlog.get_logger()


def make_ready(runtime: Runtime, sets: Sequence[str]) -> Runtime:
    """Check that agents can work; return the runtime, with the package hosts of `sets` allowed.

    Raises BotError.
    """
    check(runtime, sets)
    if data_folder.is_open(runtime.data):
        _log.warning(
            "data folder is readable by other users: run chmod o-rwx on it", folder=str(runtime.data.root)
        )
    return runtime.reaching(hosts_of_sets(runtime, sets))


def check(runtime: Runtime, sets: Sequence[str] = ()) -> None:
    """Refuse to work without agents, their models, an engine that answers, and both images.

    Also refuse if containers cannot see the data folder, or if the image lacks the program of an agent or the
    relay that models, package hosts and `sets` require. Raises BotError.
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
        _log.warning("engine cannot enforce all limits of agents", resources=", ".join(unenforceable))
    for image in (runtime.tools_image, runtime.image):
        runtime.engine.require_image(image)
    if runtime.engine.has_filters:
        for image in sorted({runtime.tools_image, runtime.image}):
            _require_filter(runtime, image)
    _require_contents(runtime, sets)


def _require_filter(runtime: Runtime, image: str) -> None:
    """Refuse an image without the program that limits its containers."""
    try:
        _output(runtime, _FILTERED, image=image)
    except SandboxFailed as error:
        raise BadSettings(
            f"Containers of the image {image} cannot limit their system calls, for which they need "
            f"/usr/bin/perl: {error} `forgehand images build` makes images that have it."
        ) from error


def _require_contents(runtime: Runtime, sets: Sequence[str]) -> None:
    """Refuse containers that cannot see the data folder, and an image without the program of an agent.

    The engine mounts files of the machine on which it runs, and the bot may run on another one. An agent
    without its program would end with nothing but an exit status.
    """
    our_file = runtime.data.worker(runtime.worker.holder)
    programs = [agent.program for agent in runtime.agents.values() if "/" not in agent.program]
    if runtime.gateway.providers or runtime.gateway.hosts or sets:  # hosts of `sets` are added later
        programs.append(endpoint.RELAY)
    try:
        missing = _output(runtime, _LOOK, programs, [Mount(source=our_file, target="/seen")]).split()
    except SandboxFailed as error:
        raise BadSettings(
            f"A container could not be given a file of {runtime.data.root}: {error} If the bot itself runs "
            "in a container, its data folder must have the same path in there as on the engine's machine: "
            "see docs/operating.md."
        ) from error
    if missing:
        raise BadSettings(
            f"The image {runtime.image} has no {' and no '.join(missing)}. If an older bot made it, make it "
            "again: `forgehand images build`. An image of your own needs the programs that [agents] names, "
            "and forgehand-relay if agents may reach models or package hosts."
        )


def hosts_of_sets(runtime: Runtime, sets: Sequence[str]) -> list[str]:
    """Ask the agents' image for the hosts of these sets (of ecosystems.CLIENTS), and log them.

    Raises BotError, BadSettings if a set has no host.
    """
    if not sets:
        return []
    hosts = ecosystems.hosts(_client_settings(runtime, sets))
    for name in sets:
        if not hosts.get(name):
            raise BadSettings(
                f"[network] sets has {name}, but {name} in the image {runtime.image} is set to fetch from no "
                f"host with a name and the usual port. {_ALTERNATIVES}"
            )
    _log.info("package hosts allowed", **hosts)
    return [host for name in sets for host in hosts[name]]


def _client_settings(runtime: Runtime, sets: Sequence[str]) -> str:
    try:
        return _output(runtime, ecosystems.script(sets))
    except SandboxFailed as error:
        raise BadSettings(
            f"[network] sets has {', '.join(sets)}, and one of them could not be asked in the image "
            f"{runtime.image}: {error} {_ALTERNATIVES}"
        ) from error


def _output(
    runtime: Runtime,
    script: str,
    args: Sequence[str] = (),
    mounts: Sequence[Mount] = (),
    *,
    image: str = "",
) -> str:
    """Return the output of a script that runs in this image, "" = the agents'. Raises BotError."""
    name = container_names.image_check(runtime.worker.holder.rpartition("/")[2])
    output = runtime.engine.tool(
        name=name,
        image=image or runtime.image,
        script=script,
        args=args,
        mounts=mounts,
        seconds=_CONTAINER_PATIENCE,
    )
    return output.decode(errors="replace")


def _require_provider(runtime: Runtime, name: str, provider: str) -> None:
    """Refuse an agent without its models: each of its runs would start and fail."""
    if provider and provider not in runtime.gateway.providers:
        raise BadSettings(
            f"[agents] {name} needs the models of [models.{provider}], which has no key. Give it one:\n"
            f"  FORGEHAND_MODELS__{provider.upper()}__KEY_FILE names a file with the key; docs/operating.md "
            "has other settings."
        )


def _require_prices(runtime: Runtime) -> None:
    """Refuse a budget in dollars if a provider has no prices: all requests to it would be refused."""
    if unpriced := runtime.gateway.unpriced_provider():
        raise BadSettings(
            f"[budget] has a limit in usd, but [models.{unpriced}] has no prices, so every request "
            "to it would be refused. Add prices, in US dollars per million tokens, or limit tokens or "
            'requests instead:\n  prices = { "<model>*" = { input = 1.0, output = 5.0 } }'
        )


def require_forge(settings: Settings) -> None:
    """Refuse to start without a forge, or with one that sends to us but has no token. Raises BadSettings."""
    sections = settings.forges
    mute = [name for name, section in sections.items() if section.can_receive and not section.token]
    if not mute and not any(section.token for section in sections.values()):
        mute = list(sections)
    if mute:
        keys = " and ".join(f"[{name}] token" for name in mute)
        variables = " or ".join(f"FORGEHAND_{name.upper()}__TOKEN" for name in mute)
        raise BadSettings(
            f"{keys} {'is' if len(mute) == 1 else 'are'} empty: without a token the bot cannot check "
            f"permissions, push or reply. Create a token for the bot's account, and set it there or in "
            f"{variables}. If you add _FILE to the name of the variable, its value is the path of a file "
            "with the token."
        )


def require_queue(settings: Settings, command: str) -> None:
    """Refuse to share work with other processes without the address of a Redis. Raises BadSettings."""
    if not settings.queue.url.get_secret_value():
        raise BadSettings(
            f"`forgehand {command}` shares its work with other processes and needs [queue] url, such as "
            "redis://127.0.0.1:6379/0. For everything in one process: `forgehand up`."
        )


def require_redis(settings: Settings) -> None:
    """Refuse to start without a Redis that answers. Raises BadSettings."""
    try:
        queues.redis_client(settings.queue.url.get_secret_value()).ping()
    except redis.RedisError as error:
        raise BadSettings(
            f"Redis at [queue] url does not answer ({type(error).__name__}). Is it up?"
        ) from None


def report_redis(settings: Settings) -> None:
    """Log that Redis does not answer. A receiver needs only the ledger: workers look there, too."""
    try:
        queues.redis_client(settings.queue.url.get_secret_value()).ping()
    except redis.RedisError as error:
        event = "redis does not answer: deliveries are recorded, and each waits for a sweep of a worker"
        _log.warning(event, error=type(error).__name__, away=queues.QUEUE)

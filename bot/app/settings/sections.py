"""The sections of the settings: what each key may hold, and what it means when it is left out.

Here, and not where a value is used, because a wrong one should be said before
anything starts.
"""

import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from bot.agents import agent
from bot.agents.registry import KINDS
from bot.commands.triggers import LABEL
from bot.text.units import parse_duration, parse_size

_AGENT = re.compile(r"[a-z0-9][a-z0-9._-]*")
T = TypeVar("T")
_SHORTEST_TOKEN = 16


def split_list(value: Any) -> Any:
    """Read a list. The environment has no lists: there, blanks, commas or line ends part the items."""
    return [word for word in re.split(r"[\s,]+", value) if word] if isinstance(value, str) else value


def _table(value: Any) -> Any:
    """It has no tables either: there, each line is `label = instructions`."""
    if not isinstance(value, str):
        return value
    pairs = [line.partition("=") for line in value.splitlines() if line.strip()]
    if any(not equals for _, equals, _ in pairs):
        raise ValueError('must be a table such as { tidy = "Tidy what this is about." }')
    return {label.strip(): instructions.strip() for label, _, instructions in pairs}


def _argv(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else value


def _kind(word: str) -> str:
    if word not in KINDS:
        raise ValueError(f"should be {' or '.join(repr(kind) for kind in KINDS)}")
    return word


def _long(secret: SecretStr) -> SecretStr:
    if 0 < len(secret) < _SHORTEST_TOKEN:
        raise ValueError(f"must have at least {_SHORTEST_TOKEN} characters: `openssl rand -hex 32` makes one")
    return secret


def site(url: str) -> str:
    """Hold this to be an address, without a slash at its end. Raises ValueError."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be an address such as https://forge.example.org, without a login in it")
    return url.rstrip("/")


Seconds = Annotated[int, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Memory = Annotated[str, Field(pattern=r"^[0-9]+[bkmg]?$")]
Words = Annotated[list[str], BeforeValidator(split_list)]
Secrets = Annotated[list[SecretStr], BeforeValidator(split_list)]
Site = Annotated[str, AfterValidator(site)]
Table = Annotated[dict[str, str], BeforeValidator(_table)]
Argv = Annotated[list[str], BeforeValidator(_argv), Field(min_length=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ServerSettings(Section):
    """Where the receiver and the pages listen, and how the world reaches them."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080  # 0: any free one
    public_url: str = ""  # "" = http://host:port
    operator_token: Annotated[SecretStr, AfterValidator(_long)] = SecretStr("")  # "" = pages by link alone
    body_cap: Annotated[int, Field(ge=1024)] = 25 * 1024 * 1024  # bytes of one delivery
    read_deadline: Seconds = 10  # for the whole of it


class StoreSettings(Section):
    url: SecretStr = SecretStr("")  # "" = SQLite below [data] path


class QueueSettings(Section):
    url: SecretStr = SecretStr("")  # "" = in process, `forgehand up` only
    namespace: str = "forgehand"


class DataSettings(Section):
    path: Path = Path("forgehand-data")


class LabelsSettings(Section):
    """Labels of the operator's own: what they ask for, and what a task's thread wears once it has ended."""

    run: Table = {}  # label = instructions
    succeeded: str = ""  # "" = none
    failed: str = ""
    waiting: str = ""

    @model_validator(mode="after")
    def _clear(self) -> Self:
        """Nothing that asks may be what the bot itself puts on, and nothing may mean two things."""
        told = {self.succeeded, self.failed, self.waiting} - {""}
        for label, instructions in self.run.items():
            if not label.strip() or not instructions.strip():
                raise ValueError(f'run needs a label and what it asks for; "{label}" has only one of them')
            if label.lower().startswith(LABEL):
                raise ValueError(f'run cannot hold "{label}": labels that begin with {LABEL} are taken')
        if asks := [
            label for label in told if label.lower() == LABEL or label.lower().startswith(f"{LABEL}:")
        ]:
            raise ValueError(f'cannot tell a result by "{asks[0]}": that label asks for a run')
        # Forges take two labels that differ only in case for one.
        counts = Counter(label.lower() for label in [*self.run, *told])
        if twice := [label for label, times in counts.items() if times > 1]:
            raise ValueError(f'name "{twice[0]}" twice: a label asks for one thing, or tells one result')
        return self


class GitSettings(Section):
    """Author and committer of what the bot pushes."""

    name: str = "Forgehand"
    email: str = "forgehand@localhost"


class SandboxSettings(Section):
    image: str = "forgehand-agent"
    tools_image: str = "forgehand-tools"
    engine: str = ""  # "" = DOCKER_HOST, else the default socket
    uid: Annotated[int, Field(ge=1)] = 10001
    memory: Memory = "4g"
    cpus: Annotated[float, Field(ge=0)] = 2
    pids: Annotated[int, Field(ge=1)] = 512
    disk: Size = 20 << 30  # bytes of a workspace
    wall_limit: Seconds = 3600
    idle_limit: Seconds = 900  # without a word from the agent
    allow_unlimited: bool = False  # agents without limits, where the engine cannot hold them


class AgentSettings(Section):
    """One agent, by the name in `[agents.<name>]`."""

    kind: Annotated[str, AfterValidator(_kind)] = "command"
    command: Argv | None = None  # None: what the kind is usually started by
    model: str = ""  # "" = the agent's own choice
    resume_after_limit: bool = False  # once, by itself, when a provider's limit has ended

    @model_validator(mode="after")
    def _startable(self) -> Self:
        if self.kind == "command" and self.command is None:
            raise ValueError('needs a command, such as "my-agent --quiet", or another kind')
        return self

    def made(self) -> agent.Agent:
        return KINDS[self.kind](self.command or (), self.model, self.resume_after_limit)


def _named(given: dict[str, AgentSettings]) -> dict[str, AgentSettings]:
    for name in given:
        if not _AGENT.fullmatch(name):
            raise ValueError(
                f'has "{name}", which is no name here: small letters, digits, ".", "-" and "_" only'
            )
    return given


# By the name that commands and labels give them; forges take no two labels that differ only in case.
Agents = Annotated[dict[str, AgentSettings], AfterValidator(_named)]


class RepositoryLimitsSettings(Section):
    """What one repository has in place of [sandbox]'s; what is left out is as there."""

    memory: Memory | None = None
    disk: Size | None = None
    wall_limit: Seconds | None = None
    idle_limit: Seconds | None = None


def by_path(given: dict[str, T]) -> dict[str, T]:
    """Hold these keys to be owner/name, in lower case. Raises ValueError."""
    if wrong := [name for name in given if "/" not in name]:
        raise ValueError(f'names "{wrong[0]}", which is no owner/name')
    return {name.strip("/").lower(): own for name, own in given.items()}


class LimitsSettings(Section):
    """How many runs at once, and what single repositories have of their own."""

    per_repository: Annotated[int, Field(ge=1)] = 2
    per_host: Annotated[int, Field(ge=1)] = 2
    repositories: Annotated[
        dict[str, RepositoryLimitsSettings], AfterValidator(by_path)
    ] = {}  # by owner/name


class RepositoriesSettings(Section):
    allow: Words = []  # owner, or owner/name; none = no command from a forge runs

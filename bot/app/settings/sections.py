"""The settings sections: the values that each key may have, and their defaults.

They are checked here, before anything starts, and not in the code that uses a value.
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
from bot.app.settings.source import usual_data
from bot.commands.triggers import LABEL
from bot.text.units import parse_duration, parse_size

_AGENT = re.compile(r"[a-z0-9][a-z0-9._-]*")
T = TypeVar("T")
_SHORTEST_TOKEN = 16


def _memory(text: str) -> str:
    if not re.fullmatch(r"[0-9]+[bkmg]?", text):
        raise ValueError('must be a size such as "512m" or "4g"')
    return text


def split_list(value: Any) -> Any:
    """Split a text into a list: in the environment, spaces, commas or line ends separate the items."""
    return [word for word in re.split(r"[\s,]+", value) if word] if isinstance(value, str) else value


def _table(value: Any) -> Any:
    """Split a text into a table: in the environment, each line is `label = instructions`."""
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
        raise ValueError(f"must be {' or '.join(repr(kind) for kind in KINDS)}")
    return word


def _long(secret: SecretStr) -> SecretStr:
    if 0 < len(secret) < _SHORTEST_TOKEN:
        raise ValueError(f"must have at least {_SHORTEST_TOKEN} characters; `openssl rand -hex 32` makes one")
    return secret


def site(url: str) -> str:
    """Check a web address and return it without a slash at its end. Raises ValueError."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError(
            "must be an address such as https://forge.example.org, without a user name or password"
        )
    return url.rstrip("/")


def _public(url: str) -> str:
    return site(url) if url else url


Seconds = Annotated[int, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Memory = Annotated[str, AfterValidator(_memory)]
Words = Annotated[list[str], BeforeValidator(split_list)]
Secrets = Annotated[list[SecretStr], BeforeValidator(split_list)]
Site = Annotated[str, AfterValidator(site)]
Table = Annotated[dict[str, str], BeforeValidator(_table)]
Argv = Annotated[list[str], BeforeValidator(_argv), Field(min_length=1)]


class Section(BaseModel):
    """One section of the settings. Unknown keys are errors, and errors never show a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ServerSettings(Section):
    """The listening address of the receiver and the pages, and their public address."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080  # 0 = any free port
    public_url: Annotated[str, AfterValidator(_public)] = ""  # "" = http://host:port
    # "" = pages open only by their links.
    operator_token: Annotated[SecretStr, AfterValidator(_long)] = SecretStr("")
    body_cap: Annotated[int, Field(ge=1024)] = 25 * 1024 * 1024  # bytes of one delivery
    read_deadline: Seconds = 10  # for the whole delivery


class StoreSettings(Section):
    url: SecretStr = SecretStr("")  # "" = a SQLite file below [data] path


class QueueSettings(Section):
    url: SecretStr = SecretStr("")  # "" = in process, `forgehand up` only
    namespace: str = "forgehand"


class DataSettings(Section):
    path: Path = Field(default_factory=usual_data)


class TlsSettings(Section):
    ca_file: Path | None = None  # certificate authorities in PEM form, besides the system's


class LabelsSettings(Section):
    """The operator's labels: those that ask for a run, and those for the result of a task."""

    run: Table = {}  # label = instructions
    succeeded: str = ""  # "" = none
    failed: str = ""
    waiting: str = ""

    @model_validator(mode="after")
    def _clear(self) -> Self:
        """Refuse a label with two meanings, and a label of a result that would ask for a run."""
        results = {self.succeeded, self.failed, self.waiting} - {""}
        for label, instructions in self.run.items():
            if not label.strip() or not instructions.strip():
                raise ValueError(f'run needs a label and its instructions; "{label}" lacks one of them')
            if label.lower().startswith(LABEL):
                raise ValueError(
                    f'run cannot have "{label}": the bot reserves labels that begin with {LABEL}'
                )
        if asks := [
            label for label in results if label.lower() == LABEL or label.lower().startswith(f"{LABEL}:")
        ]:
            raise ValueError(f'cannot show a result with "{asks[0]}": that label asks for a run')
        # On forges, labels that differ only in letter case are the same.
        counts = Counter(label.lower() for label in [*self.run, *results])
        if twice := [label for label, times in counts.items() if times > 1]:
            raise ValueError(f'name "{twice[0]}" twice: a label has one instruction or one result')
        return self


class GitSettings(Section):
    """Author and committer of the bot's commits."""

    name: str = "Forgehand"
    email: str = "forgehand@localhost"
    signoff: bool = False  # add `Signed-off-by` in this name to every commit
    closes_issues: bool = False  # write `Closes #12` into the change for issue 12


class CommentsSettings(Section):
    """The bot's comments."""

    output_lines: Annotated[int, Field(ge=0, le=200)] = 20  # of the output of a failed agent; 0 = none


class AgentSettings(Section):
    """One agent; the section is `[agents.<name>]`."""

    kind: Annotated[str, AfterValidator(_kind)] = "command"
    command: Argv | None = None  # None = the usual command of the kind
    model: str = ""  # "" = the agent chooses
    resume_after_limit: bool = False  # continue by itself, once, after a provider's rate limit has ended

    @model_validator(mode="after")
    def _startable(self) -> Self:
        if KINDS[self.kind].needs_command and self.command is None:
            raise ValueError('needs a command, such as "my-agent --quiet", or another kind')
        return self

    def build(self) -> agent.Agent:
        return KINDS[self.kind].create(self.command or (), self.model, self.resume_after_limit)


def _named(sections: dict[str, AgentSettings]) -> dict[str, AgentSettings]:
    for name in sections:
        if not _AGENT.fullmatch(name):
            raise ValueError(f'has the name "{name}"; use lower-case letters, digits, ".", "-" and "_" only')
    return sections


# By the name in commands and labels. Lower case only: forges ignore the letter case of labels.
Agents = Annotated[dict[str, AgentSettings], AfterValidator(_named)]


def by_path(sections: dict[str, T]) -> dict[str, T]:
    """Check that the keys are owner/name, and return them in lower case. Raises ValueError."""
    if wrong := [name for name in sections if "/" not in name]:
        raise ValueError(f'has "{wrong[0]}", which is not a repository: write owner/name')
    return {name.strip("/").lower(): own for name, own in sections.items()}


def _allowed(names: list[str]) -> list[str]:
    """Check that repositories are named as owner or owner/name."""
    for name in names:
        if "://" in name:
            path = urlsplit(name).path.strip("/").removesuffix(".git")
            raise ValueError(f'has the address "{name}": write "{path}"')
    return names


class RepositoriesSettings(Section):
    allow: Annotated[
        Words, AfterValidator(_allowed)
    ] = []  # owner or owner/name; [] = no forge's command runs

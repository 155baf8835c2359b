"""The settings of sandboxes and of their limits, for all repositories and for single ones."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator

from bot.app.settings.sections import Memory, Seconds, Section, Size, by_path

_MOST_UIDS = 65_536


def uid_range(text: object) -> range:
    """Read "first-last". Raises ValueError."""
    if isinstance(text, range):
        return text
    match = re.fullmatch(r"([1-9][0-9]{0,8})-([1-9][0-9]{0,8})", str(text))
    if match is None or int(match[2]) < int(match[1]):
        raise ValueError('must be a range of user ids such as "10001-10256"')
    uids = range(int(match[1]), int(match[2]) + 1)
    if len(uids) > _MOST_UIDS:
        raise ValueError(f"must have at most {_MOST_UIDS} user ids, and {text} has {len(uids)}")
    return uids


class SandboxSettings(Section):
    image: str = "forgehand-agent"
    tools_image: str = "forgehand-tools"
    engine: str = ""  # "" = DOCKER_HOST, else the default socket
    uid: Annotated[int, Field(ge=1)] | None = None  # of all tasks
    uids: Annotated[range, PlainValidator(uid_range)] = range(10001, 10257)  # one for each task
    memory: Memory = "4g"
    cpus: Annotated[float, Field(ge=0)] = 2
    pids: Annotated[int, Field(ge=1)] = 512
    disk: Size = 20 << 30  # bytes of a workspace
    wall_limit: Seconds = 3600
    idle_limit: Seconds = 900  # without output of the agent
    allow_unlimited: bool = False  # start agents even if the engine cannot enforce the limits


class RepositoryLimitsSettings(Section):
    """The limits of one repository; for a missing key, the limit in [sandbox] applies."""

    memory: Memory | None = None
    disk: Size | None = None
    wall_limit: Seconds | None = None
    idle_limit: Seconds | None = None


class LimitsSettings(Section):
    """The number of concurrent runs, and the limits of single repositories."""

    per_repository: Annotated[int, Field(ge=1)] = 2
    per_host: Annotated[int, Field(ge=1)] = 2
    # Keys are owner/name.
    repositories: Annotated[dict[str, RepositoryLimitsSettings], AfterValidator(by_path)] = Field(default={})

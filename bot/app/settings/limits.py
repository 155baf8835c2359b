"""The settings of sandboxes and of their limits, for all repositories and for single ones."""

from typing import Annotated

from pydantic import AfterValidator, Field

from bot.app.settings.sections import Memory, Seconds, Section, Size, by_path


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

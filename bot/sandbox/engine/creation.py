"""The creation of containers: the only place, so that each has the filter and all restrictions."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from docker import APIClient
from docker.errors import APIError
from docker.types import LogConfig

from bot.sandbox.engine import seccomp
from bot.sandbox.engine.client import engine_errors
from bot.sandbox.engine.host_config import ContainerSpec, host_config

LABEL = "forgehand"
INSTANCE = "forgehand.instance"
STOP_TIMEOUT = 3  # seconds between SIGTERM and SIGKILL

# Bytes of the engine's log for each byte of output: JSON of 73 bytes for an empty line, six for a control
# character. At its own limit the engine drops lines, so it must exceed all output of a run until its end.
_LOG_OVERHEAD = 12


def create(
    api: APIClient, info: Mapping[str, Any], spec: ContainerSpec, *, instance: str, default_uid: int
) -> str | None:
    """Create the container and return its id; None if the name is in use.

    Raises the errors of `engine_errors`.
    """
    uid = default_uid if spec.uid is None else spec.uid
    host = host_config(
        api, uid=uid, mounts=spec.mounts, limits=spec.limits, info=info, log=_log(spec.log_bytes)
    )
    with engine_errors():
        try:
            created = api.create_container(
                image=spec.image,
                name=spec.name,
                entrypoint=seccomp.launched(info, spec.argv),
                environment={**spec.env, **seccomp.ENVIRONMENT},
                working_dir=spec.working_dir or None,
                labels={LABEL: "1", INSTANCE: instance, **spec.labels},
                user=f"{uid}:{uid}",
                host_config=host,
                stop_signal="SIGTERM",  # whatever the image says: the launcher passes on this one
                stop_timeout=STOP_TIMEOUT,
                # The proxy in the operator's ~/.docker/config.json may contain a password.
                use_config_proxy=False,
            )
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            return None
    return str(created["Id"])


def _log(size: int) -> LogConfig:
    if not size:
        return LogConfig(type="none")
    return LogConfig(type="json-file", config={"max-size": str(size * _LOG_OVERHEAD), "max-file": "1"})

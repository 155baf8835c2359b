"""The connection to the container engine, and its errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound
from docker.utils import kwargs_from_env

from bot.domain.errors import BadSettings, DiskFull, EngineUnavailable, SandboxFailed
from bot.git.stderr import is_disk_full
from bot.sandbox.engine.streams import TRANSPORT_ERRORS, cleaned

# A proxy before the engine's socket answers these while the engine is away.
_AWAY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_NO_ANSWER = "The container engine does not answer. Is it running, and may this user use its socket?"


def connect(url: str) -> APIClient:
    """Return a client of the engine at `url`; "" = DOCKER_HOST, else the default socket.

    Raises EngineUnavailable: the first call asks the engine for its version.
    """
    with engine_errors():
        return APIClient(base_url=url) if url else APIClient(**kwargs_from_env())


@contextmanager
def engine_errors() -> Iterator[None]:
    """Raise the engine's and its library's errors as ours. A failed connection is EngineUnavailable."""
    try:
        yield
    except ImageNotFound as error:
        raise BadSettings(f"{_explanation(error)}. Run `forgehand images build`.") from error
    except APIError as error:
        if error.status_code in _AWAY:
            raise EngineUnavailable(_NO_ANSWER) from error
        if is_disk_full(str(error.explanation)):
            raise DiskFull from error
        raise SandboxFailed(f"The container engine refused: {_explanation(error)}") from error
    except (DockerException, *TRANSPORT_ERRORS) as error:
        raise EngineUnavailable(_NO_ANSWER) from error


def _explanation(error: APIError) -> str:
    return cleaned(str(error.explanation or error).encode())[:500]

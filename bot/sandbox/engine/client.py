"""The connection to the container engine, and its errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound
from docker.utils import kwargs_from_env

from bot.domain.errors import BadSettings, EngineUnavailable, SandboxFailed
from bot.sandbox.engine.streams import cleaned


def connect(url: str) -> APIClient:
    """Return a client of the engine at `url`; "" = DOCKER_HOST, else the default socket.

    Raises EngineUnavailable: the first call asks the engine for its version.
    """
    with engine_errors():
        return APIClient(base_url=url) if url else APIClient(**kwargs_from_env())


@contextmanager
def engine_errors() -> Iterator[None]:
    """Raise the engine's and its library's errors as ours."""
    try:
        yield
    except ImageNotFound as error:
        raise BadSettings(f"{_explanation(error)}. Run `forgehand images build`.") from error
    except APIError as error:
        raise SandboxFailed(f"The container engine refused: {_explanation(error)}") from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise EngineUnavailable(
            "The container engine does not answer. Is it running, and may this user use its socket?"
        ) from error


def _explanation(error: APIError) -> str:
    return cleaned(str(error.explanation or error).encode())[:500]

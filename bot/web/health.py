"""`/healthz`, `/readyz`, `/metrics`: for monitoring systems."""

import asyncio
from collections.abc import Callable, Mapping

import structlog
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.web.metrics import Metrics

log = structlog.get_logger()

# One check for each service we need, by its name. It raises if the service does not answer.
Checks = Mapping[str, Callable[[], object]]

_PATIENCE = 5.0  # seconds for each check


def routes(metrics: Metrics, checks: Checks) -> list[Route]:
    async def healthz(_: Request) -> Response:
        """Answer that this process is alive. No service is checked: a restart would not fix a database."""
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        failed = [name for name, check in checks.items() if not await _passes(name, check)]
        if failed:
            return PlainTextResponse(f"not ready: {', '.join(failed)}\n", status_code=503)
        return PlainTextResponse("ready\n")

    async def scrape(_: Request) -> Response:
        text = await asyncio.to_thread(generate_latest, metrics.registry)
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", scrape)]


async def _passes(name: str, check: Callable[[], object]) -> bool:
    try:
        await asyncio.wait_for(asyncio.to_thread(check), _PATIENCE)
    except Exception as error:  # noqa: BLE001 - each service's library has errors of its own
        log.warning("service not ready", service=name, error=type(error).__name__, away=name)
        return False
    return True

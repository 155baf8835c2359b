"""`/healthz`, `/readyz`, `/metrics`: for whoever watches the bot, not for people."""

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

Needs = Mapping[str, Callable[[], object]]  # what must answer before we are ready; raises if it does not

_PATIENCE = 5.0  # seconds for each of them


def routes(metrics: Metrics, needs: Needs) -> list[Route]:
    async def healthz(_: Request) -> Response:
        """This process answers. Nothing else is asked: a restart would not mend a database."""
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        failed = [name for name, need in needs.items() if not await _answers(name, need)]
        if failed:
            return PlainTextResponse(f"not ready: {', '.join(failed)}\n", status_code=503)
        return PlainTextResponse("ready\n")

    async def scrape(_: Request) -> Response:
        text = await asyncio.to_thread(generate_latest, metrics.registry)
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", scrape)]


async def _answers(name: str, need: Callable[[], object]) -> bool:
    try:
        await asyncio.wait_for(asyncio.to_thread(need), _PATIENCE)
    except Exception as error:  # noqa: BLE001 - each need fails in its own library's way
        log.warning("not ready", need=name, error=type(error).__name__)
        return False
    return True

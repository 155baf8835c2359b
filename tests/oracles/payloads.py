"""GitHub's real webhook payloads, every one of the examples it publishes (sources.json)."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

KEPT = Path(__file__).parent / "github-payloads.json.gz"


@cache
def _kept() -> list[tuple[str, bytes]]:
    rows = json.loads(gzip.decompress(KEPT.read_bytes()))
    return [(row["event"], json.dumps(row["payload"], ensure_ascii=False).encode()) for row in rows]


def payloads() -> list[tuple[str, bytes]]:
    """The name of the event and the body of each, in GitHub's order."""
    return list(_kept())


def examples(event: str, action: str | None = None) -> list[dict[str, Any]]:
    """The parsed payloads of one event; of one action of it, if one is named."""
    found = [json.loads(body) for name, body in _kept() if name == event]
    return [payload for payload in found if action in {None, payload.get("action")}]

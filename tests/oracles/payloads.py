"""All webhook payloads that GitHub publishes as examples (sources.json)."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

ARCHIVE = Path(__file__).parent / "github-payloads.json.gz"


@cache
def _stored() -> list[tuple[str, bytes]]:
    rows = json.loads(gzip.decompress(ARCHIVE.read_bytes()))
    return [(row["event"], json.dumps(row["payload"], ensure_ascii=False).encode()) for row in rows]


def payloads() -> list[tuple[str, bytes]]:
    """Return the name of the event and the body of each payload, in GitHub's order."""
    return list(_stored())


def examples(event: str, action: str | None = None) -> list[dict[str, Any]]:
    """Return the parsed payloads of one event, or only those of one action."""
    found = [json.loads(body) for name, body in _stored() if name == event]
    return [payload for payload in found if action in {None, payload.get("action")}]

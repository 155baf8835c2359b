"""GitHub's webhooks: recipients, headers and signatures of each event."""

import hashlib
import hmac
import json
import uuid
from typing import Any
from urllib.parse import urlsplit

from bot.playground.calls import Answer, Call
from bot.playground.github import json_shapes
from bot.playground.github.calls import Route, page
from bot.playground.github.rules import Refused, invalid
from bot.playground.hooks import Delivery
from bot.playground.state import Hook, now


def send(call: Call, event: str, **payload: Any) -> None:
    """Queue `event` for every GitHub webhook of the repository that is subscribed to it."""
    wanted = (call.where.id, "github")
    for hook in call.state.all(Hook, lambda hook: (hook.repository, hook.forge) == wanted):
        if "*" in hook.events or event in hook.events:
            _queue(call, hook, event, payload)


def _queue(call: Call, hook: Hook, event: str, payload: dict[str, Any]) -> None:
    whole = {
        **payload,
        "repository": json_shapes.repository(call.state, call.where),
        "sender": json_shapes.user(call.state, call.login),
    }
    call.sender.put(
        Delivery(
            id=call.state.new_id(), guid=str(uuid.uuid4()), hook=hook, event=event,
            action=payload.get("action"), body=json.dumps(whole).encode(), dress=headers,
        )
    )  # fmt: skip


def headers(delivery: Delivery) -> dict[str, str]:
    hook = delivery.hook
    return {
        "Accept": "*/*", "Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/playground",
        "X-GitHub-Delivery": delivery.guid, "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(hook.id), "X-GitHub-Hook-Installation-Target-ID": str(hook.repository),
        "X-GitHub-Hook-Installation-Target-Type": "repository",
        "X-Hub-Signature-256": signature(hook.secret, delivery.body),
    }  # fmt: skip


def signature(secret: str, body: bytes) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def add(call: Call) -> Answer:
    """Add a webhook to the repository. Its first delivery is a ping."""
    config = call.field("config") or {}
    if urlsplit(str(config.get("url"))).scheme not in {"http", "https"}:
        raise invalid("Hook", "missing_field", field="url")
    if config.get("content_type") != "json":
        raise invalid("Hook", "custom", field="content_type", message="the playground sends only json")
    hook = Hook(
        id=call.state.new_id(), repository=call.where.id, url=config["url"],
        secret=config.get("secret", call.state.webhook_secret),
        events=tuple(call.field("events") or ("push",)), created_at=now(),
    )  # fmt: skip
    shown = _shown(call, call.state.put(hook))
    ping = {"zen": "Keep it logically awesome.", "hook_id": hook.id, "hook": shown}
    _queue(call, hook, "ping", ping)
    return Answer(shown, 201)


def _shown(call: Call, row: Hook) -> dict[str, Any]:
    url = f"{json_shapes.api_url(call.state, call.where)}/hooks/{row.id}"
    config = {"url": row.url, "content_type": "json", "secret": "********", "insecure_ssl": "0"}
    return {
        "type": "Repository", "id": row.id, "name": "web", "active": True, "events": list(row.events),
        "config": config, "created_at": row.created_at, "updated_at": row.created_at, "url": url,
        "test_url": f"{url}/tests", "ping_url": f"{url}/pings", "deliveries_url": f"{url}/deliveries",
        "last_response": {"code": None, "status": "unused", "message": None},
    }  # fmt: skip


def every(call: Call) -> Answer:
    wanted = (call.where.id, "github")
    rows = call.state.all(Hook, lambda row: (row.repository, row.forge) == wanted)
    return page(call, rows, lambda row: _shown(call, row))


def remove(call: Call) -> Answer:
    found = call.state.get(Hook, call.path["hook"])
    if found is None or found.repository != call.where.id:
        raise Refused(404, "Not Found")
    call.state.drop(found)
    return Answer(status=204)


def deliveries(call: Call) -> Answer:
    """List the deliveries of a webhook, newest first."""
    rows = [row for row in list(call.sender.deliveries)[::-1] if row.hook.id == call.path["hook"]]
    return page(call, rows, lambda row: _delivery(call, row))


def _delivery(call: Call, row: Delivery) -> dict[str, Any]:
    return {
        "id": row.id, "guid": row.guid, "delivered_at": row.delivered_at, "redelivery": row.redelivery,
        "duration": row.duration, "status": "OK" if 200 <= row.status < 300 else "failed",
        "status_code": row.status, "event": row.event, "action": row.action, "installation_id": None,
        "repository_id": call.where.id, "throttled_at": None,
    }  # fmt: skip


def _found(call: Call) -> Delivery:
    wanted = call.path["delivery"]
    found = next((row for row in list(call.sender.deliveries) if row.id == wanted), None)
    if found is None or found.hook.repository != call.where.id:
        raise Refused(404, "Not Found")
    return found


def get_delivery(call: Call) -> Answer:
    row = _found(call)
    request = {"headers": headers(row), "payload": json.loads(row.body)}
    shown = {**_delivery(call, row), "url": row.hook.url, "request": request}
    return Answer({**shown, "response": {"headers": None, "payload": None}})


def redeliver(call: Call) -> Answer:
    call.sender.redeliver(_found(call))
    return Answer({}, 202)


ROUTES = (
    Route("GET", "/hooks", "admin", every),
    Route("POST", "/hooks", "admin", add),
    Route("DELETE", "/hooks/{hook:int}", "admin", remove),
    Route("GET", "/hooks/{hook:int}/deliveries", "admin", deliveries),
    Route("GET", "/hooks/{hook:int}/deliveries/{delivery:int}", "admin", get_delivery),
    Route("POST", "/hooks/{hook:int}/deliveries/{delivery:int}/attempts", "admin", redeliver),
)

"""GitLab's project webhooks: recipients, headers and signatures of each event."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

from bot.playground.calls import Answer, Call
from bot.playground.gitlab import payloads
from bot.playground.gitlab.calls import Refused, not_found, page, truth
from bot.playground.gitlab.json_shapes import Json, at
from bot.playground.hooks import Delivery
from bot.playground.state import Comment, Hook, Issue, now

VERSION = "GitLab/19.0.0-playground"
EVENTS = (
    "push_events", "tag_push_events", "note_events", "confidential_note_events", "issues_events",
    "confidential_issues_events", "merge_requests_events", "job_events", "pipeline_events",
    "wiki_page_events", "deployment_events", "releases_events", "emoji_events",
)  # fmt: skip


def send_note(call: Call, row: Issue, note: Comment, *, action: str) -> None:
    hidden = note.internal or row.confidential
    event = "confidential_note_events" if hidden else "note_events"
    title = "Confidential Note Hook" if hidden else "Note Hook"
    _send(call, event, title, payloads.of_note(call, row, note, action))


def send_thread(call: Call, row: Issue, action: str, changes: Json | None = None) -> None:
    event, title = "issues_events", "Issue Hook"
    if row.head:
        event, title = "merge_requests_events", "Merge Request Hook"
    elif row.confidential:
        event, title = "confidential_issues_events", "Confidential Issue Hook"
    _send(call, event, title, payloads.of_thread(call, row, action, changes or {}))


def _send(call: Call, event: str, title: str, payload: Json) -> None:
    """Queue an event for every GitLab webhook of the project that is subscribed to it."""
    instance, event_uuid = call.state.base_url, str(uuid.uuid4())
    wanted = (call.where.id, "gitlab")
    for hook in call.state.all(Hook, lambda hook: (hook.repository, hook.forge) == wanted):
        if event in hook.events:
            call.sender.put(
                Delivery(
                    id=call.state.new_id(), guid=str(uuid.uuid4()), hook=hook, event=title,
                    action=payload["object_attributes"]["action"], body=json.dumps(payload).encode(),
                    dress=lambda delivery: headers(delivery, instance, event_uuid),
                )
            )  # fmt: skip


def headers(delivery: Delivery, instance: str, event_uuid: str) -> dict[str, str]:
    """Return the headers. A resent delivery keeps its idempotency key and gets another webhook UUID."""
    hook = delivery.hook
    shown = {
        "Content-Type": "application/json", "User-Agent": VERSION, "Idempotency-Key": delivery.guid,
        "X-Gitlab-Event": delivery.event, "X-Gitlab-Webhook-UUID": str(uuid.uuid4()),
        "X-Gitlab-Instance": instance, "X-Gitlab-Event-UUID": event_uuid,
    }  # fmt: skip
    if hook.secret:
        shown["X-Gitlab-Token"] = hook.secret
    if hook.signing_token:
        seconds = str(int(time.time()))
        shown |= {
            "webhook-id": delivery.guid,
            "webhook-timestamp": seconds,
            "webhook-signature": signature(hook.signing_token, delivery.guid, seconds, body=delivery.body),
        }
    return shown


def signature(token: str, delivery_id: str, seconds: str, *, body: bytes) -> str:
    """Sign as Standard Webhooks says. The key is the base64 text after `whsec_`."""
    key = base64.b64decode(token.removeprefix("whsec_"))
    signed = hmac.new(key, f"{delivery_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def add(call: Call) -> Answer:
    url, signing_token = call.field("url"), call.field("signing_token") or ""
    if urlsplit(str(url)).scheme not in {"http", "https"}:
        raise Refused(422, "Invalid url given")
    if signing_token and not _is_key(signing_token):
        raise Refused(422, "Invalid signing token given")
    hook = Hook(
        id=call.state.new_id(), repository=call.where.id, url=url, secret=call.field("token") or "",
        events=tuple(name for name in EVENTS if truth(call.field(name, name == "push_events"))),
        created_at=now(), forge="gitlab", signing_token=signing_token,
    )  # fmt: skip
    return Answer(_shown(call.state.put(hook)), 201)


def _is_key(token: Any) -> bool:
    try:
        return token.startswith("whsec_") and 24 <= len(base64.b64decode(token[6:], validate=True)) <= 64
    except ValueError:
        return False


def _shown(row: Hook) -> Json:
    """Return the webhook without its secrets."""
    return {
        "id": row.id, "url": row.url, "name": None, "description": None, "project_id": row.repository,
        "created_at": at(row.created_at), **{name: name in row.events for name in EVENTS},
        "enable_ssl_verification": True, "alert_status": "executable", "disabled_until": None,
        "url_variables": [], "custom_headers": [], "custom_webhook_template": None,
    }  # fmt: skip


def every(call: Call) -> Answer:
    wanted = (call.where.id, "gitlab")
    return page(call, call.state.all(Hook, lambda row: (row.repository, row.forge) == wanted), _shown)


def _hook(call: Call) -> Hook:
    found = call.state.get(Hook, call.path["hook"])
    if found is None or (found.repository, found.forge) != (call.where.id, "gitlab"):
        raise not_found()
    return found


def get(call: Call) -> Answer:
    return Answer(_shown(_hook(call)))


def remove(call: Call) -> Answer:
    call.state.drop(_hook(call))
    return Answer(status=204)


def events(call: Call) -> Answer:
    """List the deliveries of a webhook, newest first."""
    hook = _hook(call).id
    rows = [row for row in list(call.sender.deliveries)[::-1] if row.hook.id == hook]
    wanted = call.query.get("status")
    if wanted:
        rows = [row for row in rows if wanted in {str(row.status), _CATEGORIES.get(row.status // 100)}]
    return page(call, rows, _event)


_CATEGORIES = {2: "successful", 4: "client_failure", 5: "server_failure"}


def _event(row: Delivery) -> Json:
    sent = row.dress(row)
    return {
        "id": row.id, "url": row.hook.url, "trigger": f"{row.event.lower().replace(' ', '_')}s",
        "request_headers": {**sent, "X-Gitlab-Token": "[REDACTED]"}, "request_data": json.loads(row.body),
        "response_headers": {}, "response_body": "", "execution_duration": row.duration,
        "response_status": str(row.status) if row.status else "internal error",
    }  # fmt: skip


def resend(call: Call) -> Answer:
    """Send the same body under the same key at once, and return the receiver's status."""
    hook = _hook(call)
    wanted = (hook.id, call.path["event"])
    found = next((row for row in list(call.sender.deliveries) if (row.hook.id, row.id) == wanted), None)
    if found is None:
        raise not_found()
    status = call.sender.send(call.sender.again(found))
    if not status:
        raise Refused(422, "Webhook could not be sent")
    return Answer({"response_status": status}, 201)

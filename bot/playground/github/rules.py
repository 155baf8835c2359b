"""GitHub's limits and refusals, in its own words.

Its OpenAPI file knows shapes but neither lengths nor permissions. A bot that was only tested against shapes
meets these for the first time in production.
"""

from typing import Any

REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")
STATUS_STATES = ("error", "failure", "pending", "success")
TEXT_LIMIT = 65_536  # characters of a comment or an issue
DESCRIPTION_LIMIT = 140  # characters of a status
STATUSES_LIMIT = 1_000  # per commit and context
TITLE_LIMIT = 256
LABEL_LIMIT = 50


class Refused(Exception):
    """An error response, with GitHub's JSON."""

    def __init__(
        self, status: int, message: str, *errors: dict[str, str] | str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Any] = {"message": message}
        if errors:
            self.body["errors"] = list(errors)
        self.body["documentation_url"] = "https://docs.github.com/rest"
        self.body["status"] = str(status)


def moved(url: str) -> Refused:
    """Return the redirect for a transferred issue."""
    refused = Refused(301, "Moved Permanently", headers={"Location": url})
    refused.body["url"] = url
    return refused


def invalid(resource: str, code: str, **more: str) -> Refused:
    return Refused(422, "Validation Failed", {"resource": resource, "code": code, **more})


def text(body: Any, resource: str, *, field: str = "body") -> str:
    """Return the text in `field`. Raises Refused if GitHub would not accept it."""
    value = body.get(field) if isinstance(body, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise invalid(resource, "missing_field", field=field)
    return limited(value, resource)


def limited(value: str, resource: str) -> str:
    if len(value) > TEXT_LIMIT:
        message = f"Body is too long (maximum is {TEXT_LIMIT} characters)"
        raise invalid(resource, "unprocessable", field="data", message=message)
    return value


def title(body: Any, resource: str) -> str:
    value = text(body, resource, field="title")
    if len(value) > TITLE_LIMIT:
        message = f"title is too long (maximum is {TITLE_LIMIT} characters)"
        raise invalid(resource, "custom", field="title", message=message)
    return value


def label_name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise invalid("Label", "missing_field", field="name")
    if len(name) > LABEL_LIMIT:
        message = f"name is too long (maximum is {LABEL_LIMIT} characters)"
        raise invalid("Label", "custom", field="name", message=message)
    return name


def status_fields(body: Any) -> dict[str, Any]:
    """Return state, context, description and target_url of a new status."""
    state = body.get("state") if isinstance(body, dict) else None
    if state not in STATUS_STATES:
        raise invalid("Status", "custom", field="state", message="state is not included in the list")
    description = body.get("description")
    if description is not None and len(description) > DESCRIPTION_LIMIT:
        message = f"description is too long (maximum is {DESCRIPTION_LIMIT} characters)"
        raise invalid("Status", "custom", field="description", message=message)
    target = body.get("target_url")
    if target and not target.startswith(("http://", "https://")):
        raise invalid("Status", "custom", field="target_url", message="target_url must use http(s) scheme")
    return {
        "state": state,
        "context": body.get("context") or "default",
        "description": description,
        "target_url": target,
    }

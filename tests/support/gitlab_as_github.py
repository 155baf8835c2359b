"""GitLab's answers in GitHub's format, so that one test can query either forge."""

from typing import Any

Json = dict[str, Any]
LEVELS = {"pull": 10, "triage": 20, "push": 30, "maintain": 40, "admin": 50}
_STATES = {"running": "pending", "failed": "failure", "canceled": "failure"}


class Change(int):
    """The number of a merge request."""


def at(number: int) -> str:
    """Return the path of the issue or merge request below its project."""
    return f"{'merge_requests' if isinstance(number, Change) else 'issues'}/{number}"


def comment(note: Json) -> Json:
    return {**note, "user": {"login": note["author"]["username"]}}


def pull(shown: Json) -> Json:
    return {
        **shown, "number": Change(shown["iid"]), "html_url": shown["web_url"],
        "body": shown["description"], "title": shown["title"].removeprefix("Draft: "),
        "state": "open" if shown["state"] == "opened" else "closed",
        "head": {"ref": shown["source_branch"], "sha": shown["sha"]},
        "base": {"ref": shown["target_branch"]},
    }  # fmt: skip


def status(shown: Json) -> Json:
    return {**shown, "state": _STATES.get(shown["status"], shown["status"]), "context": shown["name"]}


def delivery(shown: Json, hook: int) -> Json:
    answered = shown["response_status"]
    return {
        **shown, "hook": hook, "event": shown["request_headers"]["X-Gitlab-Event"],
        "guid": shown["request_headers"]["Idempotency-Key"],
        "action": shown["request_data"]["object_attributes"]["action"],
        "status_code": int(answered) if answered.isdigit() else 0,
    }  # fmt: skip

"""Deliveries as a forge sends them: intercepted, then sent again."""

from collections.abc import Mapping

from bot.playground.gitlab.hooks import signature
from tests.support.playground_gitlab import AnyPlayground, GitLabPlayground

Delivery = tuple[dict[str, str], bytes]


def is_comment(headers: Mapping[str, str]) -> bool:
    return headers.get("X-GitHub-Event") == "issue_comment" or headers.get("X-Gitlab-Event") == "Note Hook"


def id_of(headers: Mapping[str, str]) -> str:
    return headers.get("X-GitHub-Delivery") or headers["Idempotency-Key"]


def under_another_id(playground: AnyPlayground, delivery: Delivery, name: str) -> Delivery:
    """Copy a delivery under another id. GitLab signs the id too, so the copy is signed again."""
    headers, body = delivery
    if not isinstance(playground, GitLabPlayground):
        return {**headers, "X-GitHub-Delivery": name}, body
    signed = signature(playground.signing_token, name, headers["webhook-timestamp"], body=body)
    other = {"Idempotency-Key": name, "webhook-id": name, "webhook-signature": signed}
    return {**headers, **other}, body

"""Links to a task's page that nobody can guess: whoever was given one may look, and nobody else.

The signature is made from the task's id alone, so a link needs no row, lasts as
long as the task, and dies with the key.
"""

import hashlib
import hmac


def task_url(public_url: str, key: bytes, task_id: str) -> str:
    """Address of the task's page, with its signature."""
    return f"{public_url.rstrip('/')}/tasks/{task_id}?key={signature(key, task_id)}"


def patch_url(public_url: str, key: bytes, task_id: str) -> str:
    """Address of what the task's last run left, with its signature."""
    return f"{public_url.rstrip('/')}/tasks/{task_id}/patch?key={signature(key, task_id)}"


def signature(key: bytes, task_id: str) -> str:
    return hmac.new(key, b"task:" + task_id.encode(), hashlib.sha256).hexdigest()


def holds(key: bytes, task_id: str, given: str) -> bool:
    """Whether `given` is the task's signature, in constant time."""
    return hmac.compare_digest(signature(key, task_id).encode(), given.encode(errors="replace"))

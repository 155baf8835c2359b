"""Keys and tokens that every process of one bot makes alike.

All of them follow from one key in the ledger, the link key, which the first process makes. The signature
in a link is made from the task's id alone, so a link needs no row, lasts as long as the task, and dies with
the key.
"""

import hashlib
import hmac
import secrets

from sqlalchemy import Connection, select

from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger, insert_new
from bot.store.schema import keys

_LINK = "link"


def find(tx: Connection, name: str) -> str:
    """Return the key of this name; "" if there is none yet."""
    value: str | None = tx.execute(select(keys.c.value).where(keys.c.name == name)).scalar_one_or_none()
    return value or ""


def get_or_add(tx: Connection, name: str, value: str) -> str:
    """Return the key of this name; the first process to ask adds `value`."""
    tx.execute(insert_new(tx, keys).values(name=name, value=value))
    return find(tx, name)


def link_key(ledger: Ledger, folder: DataFolder) -> str:
    """Return the key of all links to pages, in hexadecimal.

    It is in the ledger because every host has to make the same links. Before there could be several hosts
    it was in the data folder; such a key moves to the ledger here.
    """
    with ledger.read() as tx:
        known = find(tx, _LINK)
    if not known:
        former = folder.link_key
        new = former.read_text() if former.exists() else secrets.token_hex(32)
        with ledger.write() as tx:
            known = get_or_add(tx, _LINK, new)
    folder.link_key.unlink(missing_ok=True)
    return known


def task_url(public_url: str, key: bytes, task_id: str) -> str:
    """Address of the task's page, with its signature."""
    return f"{public_url.rstrip('/')}/tasks/{task_id}?key={task_signature(key, task_id)}"


def patch_url(public_url: str, key: bytes, task_id: str) -> str:
    """Address of what the task's last run left, with its signature."""
    return f"{public_url.rstrip('/')}/tasks/{task_id}/patch?key={task_signature(key, task_id)}"


def task_signature(key: bytes, task_id: str) -> str:
    """What the links of this task carry, in hexadecimal."""
    return hmac.new(key, b"task:" + task_id.encode(), hashlib.sha256).hexdigest()


def signature_holds(key: bytes, task_id: str, given: str) -> bool:
    """Whether `given` is the task's signature, in constant time."""
    return hmac.compare_digest(task_signature(key, task_id).encode(), given.encode(errors="replace"))


def run_token(key: bytes, run_id: str) -> str:
    """What the agent of this run shows the gateway. It need not be kept anywhere."""
    # The word before it makes it known as a token wherever an agent may have printed it.
    return "fhrun_" + hmac.new(key, b"gateway:" + run_id.encode(), hashlib.sha256).hexdigest()

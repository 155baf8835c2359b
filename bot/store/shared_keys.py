"""Keys and tokens that every process of one bot derives in the same way.

All of them derive from one key in the ledger, the link key, which the first process creates. The signature
in a link depends only on the key and the task's id. So a link needs no row, and is valid as long as both
exist.
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


def known_task_url(tx: Connection, folder: DataFolder, public_url: str, task_id: str) -> str:
    """Return the address of the task's page without adding a key; "" if the bot has made no key yet."""
    key = find(tx, _LINK)
    if not key and folder.link_key.is_file():
        key = folder.link_key.read_text()
    return task_url(public_url, bytes.fromhex(key), task_id) if key else ""


def task_url(public_url: str, key: bytes, task_id: str) -> str:
    """Return the address of the task's page, with its signature."""
    return f"{public_url.rstrip('/')}/tasks/{task_id}?key={task_signature(key, task_id)}"


def patch_url(public_url: str, key: bytes, task_id: str) -> str:
    """Return the address of the patch of the task's last run, with the task's signature."""
    return f"{public_url.rstrip('/')}/tasks/{task_id}/patch?key={task_signature(key, task_id)}"


def task_signature(key: bytes, task_id: str) -> str:
    """Return the signature in links of this task, in hexadecimal."""
    return hmac.new(key, b"task:" + task_id.encode(), hashlib.sha256).hexdigest()


def signature_holds(key: bytes, task_id: str, signature: str) -> bool:
    """Report whether `signature` is that of the task, in constant time."""
    return hmac.compare_digest(task_signature(key, task_id).encode(), signature.encode(errors="replace"))


def run_token(key: bytes, run_id: str) -> str:
    """Return the token by which the gateway recognises the agent of this run. It is stored nowhere."""
    # By the prefix a token is recognised and removed from an agent's output.
    return "fhrun_" + hmac.new(key, b"gateway:" + run_id.encode(), hashlib.sha256).hexdigest()

"""A ledger with a long history: thousands of finished tasks, each with all its rows."""

from sqlalchemy import text

from bot.store.ledger import Ledger

_URL = "'https://github.com/acme/r' || (n / 2 % 50)"
_KEY = "'github:' || (n / 2 % 50) || ':issue:' || (n / 2)"
_AT = "1.6e9 + n * 60"  # long ago

# Columns of task number n for each table, as SQL that both databases accept. Parents come first.
_PAST = {
    "deliveries": {
        "forge": "'github'",
        "id": "'past-' || n",
        "event": "'issue_comment'",
        "received_at": _AT,
        "answered_at": _AT,
        "due_at": _AT,
    },
    "causes": {
        "forge": "'github'",
        "repository_id": "n / 2 % 50",
        "cause": "'comment:past-' || n",
        "at": _AT,
    },
    "tasks": {
        "id": "'past' || n",
        "thread_key": _KEY,
        "state": "'succeeded'",
        "agent": "'demo'",
        "change": "'draft'",
        "branch": "'forgehand/past' || n",
        "created_at": _AT,
    },
    "runs": {
        "id": "'past' || n || '-1'",
        "task": "'past' || n",
        "number": "1",
        "thread_key": _KEY,
        "repository_url": _URL,
        "state": "'succeeded'",
        "phase": "'push'",
        "first_phase": "'prepare'",
        "request": "'tidy it'",
        "context": "'[]'",
        "forge": "'github'",
        "repository_id": "n / 2 % 50",
        "cause": "'comment:past-' || n",
        "asked_by_id": "7",
        "asked_by_login": "'ann'",
        "host": "'h1'",
        "wall_limit": "60",
        "outcome": "'pushed'",
        "created_at": _AT,
        "started_at": _AT,
        "ended_at": _AT,
    },
    "phases": {"run": "'past' || n || '-1'", "phase": "'agent'", "started_at": _AT, "ended_at": _AT},
    "workspaces": {
        "task": "'past' || n",
        "host": "'h1'",
        "created_at": _AT,
        "keep_until": _AT,
        "removed_at": _AT,
    },
    "usage": {
        "run": "'past' || n || '-1'",
        "day": "18518 + n / 1440",
        "model": "'m'",
        **dict.fromkeys(("requests", "input_tokens", "output_tokens"), "n"),
        **dict.fromkeys(("cache_write_tokens", "cache_read_tokens"), "0"),
    },
    "outbox": {
        "subject": "'past' || n || '-1'",
        "kind": "'final'",
        "target": "''",
        "thread_key": _KEY,
        "content": "'{}'",
        "sent_version": "1",
        "sent_at": _AT,
        "created_at": _AT,
    },
}
_THREADS = {  # two tasks each
    "key": _KEY,
    "forge": "'github'",
    "repository_id": "n / 2 % 50",
    "repository_url": _URL,
    "path": "'acme/r' || (n / 2 % 50)",
    "kind": "'issue'",
    "number": "n / 2",
    "title": "'Tidy the parser'",
}
BIG = frozenset({"threads", *_PAST})


def fill(ledger: Ledger, finished: int) -> None:
    """Insert this many finished tasks, of one run each, in fifty repositories."""
    with ledger.write() as tx:
        tx.execute(text(_insert("threads", _THREADS, "WHERE n % 2 = 0")), {"last": finished - 1})
        for table, columns in _PAST.items():
            tx.execute(text(_insert(table, columns)), {"last": finished - 1})
        if tx.dialect.name == "postgresql":  # PostgreSQL also does it by itself; SQLite never does
            tx.execute(text("ANALYZE"))


def _insert(table: str, columns: dict[str, str], where: str = "") -> str:
    return (
        f"INSERT INTO {table} ({', '.join(columns)})"
        " WITH RECURSIVE past(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM past WHERE n < :last)"
        f" SELECT {', '.join(columns.values())} FROM past {where}"
    )

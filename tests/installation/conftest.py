"""An installation made by an earlier version, unpacked from its archive and not yet started."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import inspect, text

from tests.installation.installation import Installation, installed
from tests.support.waiting import eventually

MADE_BY = "3cf686a"
AGO = 7200.0  # seconds; by then the forge answers again, and all postponed work is due
_TURN = 600.0  # seconds to wait for other test sessions


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """Unpack the installation once for each database, as if it had died two hours ago."""
    database, redis_url = str(request.param), ""
    archive = Path(__file__).parent / f"from_{MADE_BY}" / f"{database}.tar.gz"
    # Restore owners and modes if this user may change owners: the agent's files have their own owner.
    subprocess.run(["tar", "-xpf", str(archive), "--numeric-owner", "-C", str(tmp_path)], check=True)
    if database == "sqlite":
        store_url = f"sqlite:///{tmp_path / 'data' / 'ledger.sqlite3'}"
    else:
        store_url = request.getfixturevalue("postgres").empty()
        redis_url = request.getfixturevalue("redis_url")
        with psycopg.connect(store_url) as connection:
            connection.execute((tmp_path / "ledger.sql").read_bytes())
    found = Installation(folder=tmp_path, database=database, store_url=store_url, redis_url=redis_url)
    with _in_turn(database), installed(found):
        _died(found, time.time() - AGO)
        yield found


@contextmanager
def _in_turn(database: str) -> Iterator[None]:
    """Wait until no other test session of this machine has the same ports and names of containers."""
    with socket.socket(socket.AF_UNIX) as turn:

        def taken() -> bool:
            try:
                # the name is free again when this process ends
                turn.bind(f"\0forgehand-from-{MADE_BY}-{database}")
            except OSError:
                return False
            return True

        eventually(taken, seconds=_TURN)
        yield


def _died(found: Installation, at: float) -> None:
    """Move all times in the ledger by the same amount, because the archive may be years old."""
    later = at - found.row("SELECT max(seen_at) AS at FROM hosts")["at"]
    columns = inspect(found.engine)
    with found.engine.begin() as tx:
        for table in columns.get_table_names():
            for name in (column["name"] for column in columns.get_columns(table)):
                if name in {"at", "until"} or name.endswith(("_at", "_until")):
                    tx.execute(text(f"UPDATE {table} SET {name} = {name} + :later"), {"later": later})

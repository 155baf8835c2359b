"""The upgrade of a ledger's schema to the version that this program needs."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from bot.domain.errors import BadSettings, NoLedger
from bot.store.migrations import NEWEST


def migrate(engine: Engine, *, create: bool = True) -> None:
    """Bring the schema to the newest version; several processes may call this at the same time.

    Without `create`, a database without tables stays as it is. Raises NoLedger for that, and BadSettings if
    the schema is newer than this program.
    """
    with engine.connect().execution_options(reading=True) as tx:  # without waiting for a writer
        version = _version(tx)
    if version == NEWEST:
        return
    if version is None and not create:
        raise NoLedger("The database has no tables of the bot.")
    with engine.begin() as tx:
        if tx.dialect.name == "postgresql":
            tx.execute(text("SELECT pg_advisory_xact_lock(7017)"))
        if _version(tx) != NEWEST:
            _upgrade(tx)


def _version(tx: Connection) -> str | None:
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _upgrade(tx: Connection) -> None:
    # Imported here, because loading Alembic is slow and most ledgers are up to date.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": tx})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise BadSettings(
            f"The ledger does not fit this version of the program: {error}. A newer version "
            "changed the ledger. Install that version again, or restore a backup: see docs/operating.md, "
            "Updates."
        ) from error

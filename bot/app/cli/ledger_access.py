"""The ledger for commands that do not start the bot: opened if it exists, and never made."""

from collections.abc import Iterator
from contextlib import contextmanager

from bot.app.settings.source import LedgerPlace
from bot.domain.errors import NoLedger
from bot.store.ledger import Ledger, damage_reported, open_ledger


@contextmanager
def existing_ledger(place: LedgerPlace) -> Iterator[Ledger]:
    """Open the bot's ledger for the block. Raises NoLedger if there is none; nothing is created."""
    try:
        ledger = open_ledger(place.store_url, create=False)
    except NoLedger as error:
        looked = place.data.absolute() if place.is_in_data_folder else "the database of [store] url"
        raise NoLedger(
            f"No data here (looked in {looked}). [data] path in the settings names the data folder, and "
            "--config the settings file."
        ) from error
    try:
        with damage_reported(place.store_url):
            yield ledger
    finally:
        ledger.close()

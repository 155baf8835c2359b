"""Files that killed processes have left in the data folder, and that nothing else removes.

The table in docs/architecture.md, "What a crash can leave", has everything that a crash can leave.
"""

import shutil
import time

from bot.domain.lifecycle import ENDED
from bot.git.bare_repository import clear_old_leftovers
from bot.git.fetch import clear_interrupted
from bot.sandbox.export.incoming import remove_interrupted
from bot.store import data_folder, process_locks
from bot.store import runs as run_rows
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger

_NEW = 60.0  # seconds in which a file may belong to a process that has not locked it yet
_IN_USE = 3600.0  # seconds in which git may still use its locks and partial objects


def remove_files(data: DataFolder, ledger: Ledger, *, new: float = _NEW, in_use: float = _IN_USE) -> None:
    """Remove the files of this host's dead processes. Raises OSError, LedgerUnavailable.

    Files without a lock are removed only if they have not changed for `new` or, those of git, for `in_use`
    seconds.
    """
    now = time.time()
    process_locks.remove_files_of_dead(data)
    for draft in data_folder.old_drafts(data, now - new):
        draft.unlink(missing_ok=True)
    remove_interrupted(data.quarantines, now - new)
    for mirror in data.mirrors.glob("*.git"):
        clear_interrupted(mirror)
    for repository in (*data.quarantines.glob("*.git"), *data.mirrors.glob("*.git")):
        clear_old_leftovers(repository, now - in_use)
    _remove_gateways(data, ledger)


def _remove_gateways(data: DataFolder, ledger: Ledger) -> None:
    """Remove the gateway's folders of runs that have ended, on this host or on another."""
    for folder in data.gateways.glob("*"):
        with ledger.read() as tx:
            run = run_rows.find(tx, folder.name)
        if run is None or run.state in ENDED:
            shutil.rmtree(folder, ignore_errors=True)

"""State that survives a restart: the ledger, the data folder, and the locks in it.

Functions here take a `Connection`. The caller opens the transaction (`Ledger.write`) and makes no network
call inside it. Times are seconds since the epoch by the ledger's clock.

Imports: domain.
"""

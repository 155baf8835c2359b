"""The ledger: the only truth about deliveries, tasks, runs, workspaces and what must still be told.

Functions here take a `Connection`; the caller opens the transaction (`Ledger.write`)
and makes no network call inside one. Times are seconds since the epoch by the
ledger's own clock.
"""

"""Alembic's folder, run by its module `upgrade`; `alembic revision --rev-id 0005 -m ...` adds to it."""

NEWEST = "0013"  # the last step in versions/: a ledger that says this is not asked anything else

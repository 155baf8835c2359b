"""What people ask of tasks: open, resume, retry, cancel, approve, keep.

Imports: domain, text, store, reports.
"""

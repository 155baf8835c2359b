"""Verbs of tasks: open, resume, retry, cancel, approve, keep, discard.

Imports: domain, text, store, reports.
"""

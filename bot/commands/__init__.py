"""The way from a delivery to the reply of its handler.

Imports: domain, text, store, forges, reports, tasks.
"""

"""HTTP: the webhook receiver, pages, health and metrics.

Imports: domain, text, store, forges, reports, agents.
"""

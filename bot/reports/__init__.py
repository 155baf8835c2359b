"""Comments, statuses and changes: their texts, the outbox messages, and the sender.

Imports: domain, text, store, forges.
"""

"""Git on the host, in the bot's own bare repositories and never in a workspace.

Imports: domain, text.
"""

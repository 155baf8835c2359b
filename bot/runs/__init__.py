"""One run, phase by phase, and its workspace until it is removed.

Imports: domain, text, store, git, forges, sandbox, gateway, reports, agents, tasks.
"""

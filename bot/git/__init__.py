"""git on the host, in bare repositories of ours and never in a workspace.

Imports: domain, text.
"""

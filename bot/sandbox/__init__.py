"""Containers, their images, workspaces, and the export of an agent's commits.

Only this package speaks to the container engine.

Imports: domain, text, git.
"""

"""Pure functions on text: safe to show, secrets removed, Markdown, units.

Imports: domain.
"""

"""Pure functions on text: sanitizing, redaction, Markdown and units.

Imports: domain.
"""

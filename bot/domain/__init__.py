"""Values, states and errors, and the rules between them. No I/O.

Imports: nothing of ours.
"""

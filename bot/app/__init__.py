"""The composition root: settings, command line, processes and queues.

Imports: everything.
"""

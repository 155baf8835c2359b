"""The kinds of agents, their prompt, and their output.

Imports: domain, text, gateway.endpoint.
"""

"""The only way out of a sandbox: requests to providers of models, and tunnels to package hosts.

Imports: domain, text, store.
"""

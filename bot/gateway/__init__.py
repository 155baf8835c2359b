"""The only way out of a sandbox: requests to models, and tunnels to package hosts.

Imports: domain, text, store.
"""

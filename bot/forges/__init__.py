"""The adapters of GitHub and GitLab, the verifiers of their deliveries, and the table of forges.

Imports: domain.
"""

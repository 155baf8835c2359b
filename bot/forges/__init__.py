"""What the bot asks of a forge, answered by GitHub and GitLab, and proof of who sent a delivery.

Imports: domain, text.
"""

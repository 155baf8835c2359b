"""GitLab, hosted or self-managed."""

from bot.forges.gitlab.adapter import GitLab

__all__ = ["GitLab"]

"""GitLab, hosted or self-managed."""

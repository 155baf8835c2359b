"""GitLab's side of the playground: REST API v4 over the same repositories, issues and people.

Hooks made here are told what people and the bot do here; what they do through
GitHub's API is told to the hooks made there, and so is a push. Whoever tries the
bot speaks to one forge at a time, so nobody misses the other half.
"""

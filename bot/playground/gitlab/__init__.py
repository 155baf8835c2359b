"""GitLab's side of the playground: REST API v4 over the same repositories, issues and users.

Webhooks added here get what happens through this API; webhooks added through GitHub's API get what happens
there, and pushes. A user of the bot speaks to one forge at a time, so nobody misses the other half.
"""

"""A local forge: the parts of GitHub's and GitLab's APIs that the bot uses, git over HTTP, signed webhooks.

It is the bot's test bed and a newcomer's first five minutes. The bot speaks to it over HTTP like to any other
forge, so it imports nothing of the bot.

Imports: nothing of ours.
"""

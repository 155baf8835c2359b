"""A local forge: GitHub's REST API as far as the bot uses it, git over HTTP, signed webhooks.

It is the bot's test bed and a newcomer's first five minutes. The bot speaks to
it over HTTP like to any other forge, so it imports nothing of the bot.
"""

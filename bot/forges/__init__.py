"""The only place that knows a forge by name: what the bot asks of one, and who answers."""

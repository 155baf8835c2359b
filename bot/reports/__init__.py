"""Comments, statuses and replies: their texts, and their way to the forge."""

"""What an agent is told, and by which command line."""

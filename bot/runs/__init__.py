"""One run, phase by phase, and its workspace to the end."""

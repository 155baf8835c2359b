"""The container engine: containers, their limits, logs and output."""

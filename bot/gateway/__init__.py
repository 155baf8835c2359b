"""The only way out of a sandbox: one door a run, and what may pass through it."""

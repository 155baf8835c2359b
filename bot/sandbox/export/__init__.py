"""An agent's commits, taken out of its workspace, checked, and put into the quarantine."""

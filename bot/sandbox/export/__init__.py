"""The export of an agent's commits from its workspace, through checks, into the quarantine."""

"""Images, built on this machine."""

"""Programs that run in containers, outside the trust boundary; the host only reads their files."""

"""Programs that run in containers, on the far side of the trust boundary; the host only reads them."""

"""The way from a delivery to a handler's reply."""

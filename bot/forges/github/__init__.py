"""GitHub, hosted or Enterprise Server."""

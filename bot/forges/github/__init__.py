"""GitHub, hosted or Enterprise Server."""

from bot.forges.github.adapter import GitHub

__all__ = ["GitHub"]

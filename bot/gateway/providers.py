"""A model route: which provider is behind it, what of it may be asked for, and what that costs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from bot.domain.usage import Tokens

_MILLION = 1_000_000
_MODEL_IN_PATH = re.compile(r"/models/([^/:]+)")  # Gemini names it there


class Auth(StrEnum):
    """The header a provider wants its key in."""

    X_API_KEY = "x-api-key"
    BEARER = "bearer"
    X_GOOG_API_KEY = "x-goog-api-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens of each kind."""

    input: float
    output: float
    cache_read: float
    cache_write: float

    def of(self, tokens: Tokens) -> float:
        dollars = (
            tokens.input * self.input
            + tokens.output * self.output
            + tokens.cache_read * self.cache_read
            + tokens.cache_write * self.cache_write
        )
        return dollars / _MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider. Patterns are those of a shell, where `*` also stands for slashes."""

    name: str
    url: str  # without a slash at the end
    key: str  # "" = the provider wants none
    auth: Auth
    paths: Sequence[str]
    models: Sequence[str]
    prices: Mapping[str, Price]  # by pattern of the model; the first that fits counts

    def serves(self, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in self.paths)

    def has(self, model: str) -> bool:
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    def price(self, model: str) -> Price | None:
        return next((price for pattern, price in self.prices.items() if fnmatchcase(model, pattern)), None)

    def credential(self) -> tuple[str, str] | None:
        """The header that opens the provider."""
        if not self.key:
            return None
        return ("authorization", f"Bearer {self.key}") if self.auth is Auth.BEARER else (self.auth, self.key)


def models_in_path(path: str) -> list[str]:
    return _MODEL_IN_PATH.findall(path)

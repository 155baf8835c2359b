"""Providers of models: their addresses and keys, the permitted paths and models, and the prices."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from bot.domain.usage import Tokens

_MILLION = 1_000_000
_MODEL_IN_PATH = re.compile(r"/models/([^/:]+)")  # Gemini has the model in the path


class Auth(StrEnum):
    """The header in which a provider expects its key."""

    X_API_KEY = "x-api-key"
    BEARER = "bearer"
    X_GOOG_API_KEY = "x-goog-api-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars per million tokens of each kind."""

    input: float
    output: float
    cache_read: float
    cache_write: float

    def of(self, tokens: Tokens) -> float:
        """Return the price of these tokens in US dollars."""
        dollars = (
            tokens.input * self.input
            + tokens.output * self.output
            + tokens.cache_read * self.cache_read
            + tokens.cache_write * self.cache_write
        )
        return dollars / _MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider. Patterns are those of a shell, but `*` also matches slashes."""

    name: str
    url: str  # without a slash at the end
    key: str  # "" = the provider needs none
    auth: Auth
    paths: Sequence[str]
    models: Sequence[str]
    prices: Mapping[str, Price]  # by pattern of the model; the first match counts

    def serves(self, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in self.paths)

    def has(self, model: str) -> bool:
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    def price(self, model: str) -> Price | None:
        """Return the price of a model; None if the settings have none for it."""
        return next((price for pattern, price in self.prices.items() if fnmatchcase(model, pattern)), None)

    def credential(self) -> tuple[str, str] | None:
        """Return the header with the key: its name and value; None without a key."""
        if not self.key:
            return None
        return ("authorization", f"Bearer {self.key}") if self.auth is Auth.BEARER else (self.auth, self.key)


def models_in_path(path: str) -> list[str]:
    """Return the models that a path names."""
    return _MODEL_IN_PATH.findall(path)

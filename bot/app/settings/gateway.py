"""The settings sections of the gateway: providers of models, prices, package hosts."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from bot.agents.registry import known_providers
from bot.app.settings.sections import Section, Site, Words
from bot.gateway import ecosystems, package_proxy
from bot.gateway.providers import Auth, Provider
from bot.gateway.providers import Price as PriceOfTokens

_MESSAGES = ["/v1/messages", "/v1/messages/count_tokens"]
_COMPLETIONS = ["/v1/chat/completions", "/v1/responses"]
# Providers that no kind of agents declares, by the name of their section: all of its settings but the key.
_OTHERS: dict[str, dict[str, Any]] = {
    "openai": {"url": "https://api.openai.com", "auth": Auth.BEARER, "paths": _COMPLETIONS},
    "gemini": {
        "url": "https://generativelanguage.googleapis.com",
        "auth": Auth.X_GOOG_API_KEY,
        "paths": [
            f"/v1beta/models/*:{method}"
            for method in ("generateContent", "streamGenerateContent", "countTokens")
        ],
    },
}

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=0)]


def _known() -> dict[str, dict[str, Any]]:
    declared = {
        name: {"url": each.url, "auth": each.auth, "paths": list(each.paths)}
        for name, each in known_providers().items()
    }
    return declared | {name: each for name, each in _OTHERS.items() if name not in declared}


def _one_word(key: SecretStr) -> SecretStr:
    if re.search(r"[^!-~]", key.get_secret_value()):
        raise ValueError("must be ASCII without spaces, because it goes into a header")
    return key


class PriceSettings(Section):
    """US dollars per million tokens. Cache reads and writes cost as much as input unless given."""

    input: Dollars
    output: Dollars
    cache_read: Dollars | None = None
    cache_write: Dollars | None = None


class ModelSettings(Section):
    """A provider of models, which every sandbox reaches at http://127.0.0.1:8787/<name>."""

    url: Site
    key: Annotated[SecretStr, AfterValidator(_one_word)] = SecretStr("")  # "" = the provider needs none
    auth: Auth = Auth.BEARER
    paths: Words = Field(default=[*_MESSAGES, *_COMPLETIONS], min_length=1)  # patterns
    models: Words = Field(default=["*"], min_length=1)  # patterns
    prices: dict[str, PriceSettings] = Field(default={})  # by pattern of the model; the first match counts


def _completed(sections: Any) -> Any:
    """Fill in the keys of known providers."""
    if not isinstance(sections, dict):
        return sections
    known = _known()
    for name, own in sections.items():
        if isinstance(own, dict) and "url" not in own and name not in known:
            raise ValueError(f"{name} needs a url; only those of {', '.join(known)} are known")
    return {
        name: {**known.get(name, {}), **own} if isinstance(own, dict) else own
        for name, own in sections.items()
    }


def _usable(sections: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
    known = _known()
    for name, model in sections.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f'has the name "{name}"; use lower-case letters, digits, "-" and "_" only')
        if model.url == known.get(name, {}).get("url") and not model.key.get_secret_value():
            raise ValueError(
                f"{name} needs a key: FORGEHAND_MODELS__{name.upper()}__KEY_FILE names a file with it"
            )
    return sections


Models = Annotated[dict[str, ModelSettings], BeforeValidator(_completed), AfterValidator(_usable)]


def _hosts(patterns: list[str]) -> list[str]:
    for host in (hosts := [pattern.lower() for pattern in patterns]):
        if not package_proxy.PATTERN.fullmatch(host):
            raise ValueError(
                f'has "{host}", which is not a host name: write packages.example.org or *.example.org'
            )
    return hosts


def _sets(names: list[str]) -> list[str]:
    if unknown := [name for name in names if name not in ecosystems.CLIENTS]:
        raise ValueError(f'has "{unknown[0]}", which is not one of {", ".join(ecosystems.CLIENTS)}')
    return list(dict.fromkeys(names))


class NetworkSettings(Section):
    """The package hosts that an agent may reach; none by default."""

    sets: Annotated[Words, AfterValidator(_sets)] = Field(default=[])  # names of ecosystems.CLIENTS
    allow: Annotated[Words, AfterValidator(_hosts)] = Field(default=[])  # patterns


def providers(models: dict[str, ModelSettings]) -> dict[str, Provider]:
    """Return the providers of these sections, by name."""
    return {
        name: Provider(
            name=name,
            url=model.url,
            key=model.key.get_secret_value(),
            auth=model.auth,
            paths=model.paths,
            models=model.models,
            prices={pattern: _price(price) for pattern, price in model.prices.items()},
        )
        for name, model in models.items()
    }


def _price(price: PriceSettings) -> PriceOfTokens:
    read, write = (price.input if each is None else each for each in (price.cache_read, price.cache_write))
    return PriceOfTokens(input=price.input, output=price.output, cache_read=read, cache_write=write)

"""The sections of the settings that say what may go out: models, what may be spent on them, packages."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from bot.app.settings.sections import Section, Site, Words, by_path
from bot.gateway import budget, ecosystems, package_proxy
from bot.gateway.providers import Auth, Provider
from bot.gateway.providers import Price as PriceOfTokens

_MESSAGES = ["/v1/messages", "/v1/messages/count_tokens"]
_COMPLETIONS = ["/v1/chat/completions", "/v1/responses"]
_KNOWN: dict[str, dict[str, Any]] = {
    "anthropic": {"url": "https://api.anthropic.com", "auth": Auth.X_API_KEY, "paths": _MESSAGES},
    "openai": {"url": "https://api.openai.com", "auth": Auth.BEARER, "paths": _COMPLETIONS},
    "gemini": {
        "url": "https://generativelanguage.googleapis.com",
        "auth": Auth.X_GOOG_API_KEY,
        "paths": [
            f"/v1beta/models/*:{what}" for what in ("generateContent", "streamGenerateContent", "countTokens")
        ],
    },
}

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=0)]


def _one_word(key: SecretStr) -> SecretStr:
    if re.search(r"[^!-~]", key.get_secret_value()):
        raise ValueError("must be one word of ASCII: it goes into a header")
    return key


class PriceSettings(Section):
    """US dollars for a million tokens. What a cache takes or gives costs as input unless said."""

    input: Dollars
    output: Dollars
    cache_read: Dollars | None = None
    cache_write: Dollars | None = None


class ModelSettings(Section):
    """A provider of models, at http://127.0.0.1:8787/<name> in every sandbox."""

    url: Site
    key: Annotated[SecretStr, AfterValidator(_one_word)] = SecretStr("")  # "" = it wants none
    auth: Auth = Auth.BEARER
    paths: Words = Field(default=[*_MESSAGES, *_COMPLETIONS], min_length=1)  # patterns
    models: Words = Field(default=["*"], min_length=1)  # patterns
    prices: dict[str, PriceSettings] = Field(
        default={}
    )  # by pattern of the model; the first that fits counts


def _known(given: Any) -> Any:
    """What is known of a provider need not be said."""
    if not isinstance(given, dict):
        return given
    for name, own in given.items():
        if isinstance(own, dict) and "url" not in own and name not in _KNOWN:
            raise ValueError(f"{name} needs a url: of {', '.join(_KNOWN)} alone it is known")
    return {
        name: {**_KNOWN.get(name, {}), **own} if isinstance(own, dict) else own for name, own in given.items()
    }


def _usable(given: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
    for name, model in given.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f'cannot have one named "{name}": small letters, digits, "-" and "_" only')
        if model.url == _KNOWN.get(name, {}).get("url") and not model.key.get_secret_value():
            raise ValueError(
                f"{name} needs a key: FORGEHAND_MODELS__{name.upper()}__KEY_FILE names a file with it"
            )
    return given


Models = Annotated[dict[str, ModelSettings], BeforeValidator(_known), AfterValidator(_usable)]


class AmountSettings(Section):
    """Left out: as much as there is."""

    usd: Dollars | None = None
    tokens: Whole | None = None
    requests: Whole | None = None


class ShareSettings(Section):
    """What one repository has of its own."""

    per_run: AmountSettings | None = None  # in place of [budget] per_run
    per_day: AmountSettings = AmountSettings()  # beside [budget] per_day


class BudgetSettings(Section):
    """What may be spent on models, in all."""

    per_run: AmountSettings = AmountSettings()
    per_day: AmountSettings = AmountSettings()  # of UTC
    repositories: Annotated[dict[str, ShareSettings], AfterValidator(by_path)] = Field(
        default={}
    )  # by owner/name


def _hosts(given: list[str]) -> list[str]:
    for host in (given := [each.lower() for each in given]):
        if not package_proxy.PATTERN.fullmatch(host):
            raise ValueError(
                f'has "{host}", which is no host: names like packages.example.org or *.example.org only'
            )
    return given


def _sets(given: list[str]) -> list[str]:
    if unknown := [name for name in given if name not in ecosystems.CLIENTS]:
        raise ValueError(f'has "{unknown[0]}", which is none of {", ".join(ecosystems.CLIENTS)}')
    return list(dict.fromkeys(given))


class NetworkSettings(Section):
    """Hosts that an agent may reach for packages; none unless named."""

    sets: Annotated[Words, AfterValidator(_sets)] = Field(default=[])  # names of ecosystems.CLIENTS
    allow: Annotated[Words, AfterValidator(_hosts)] = Field(default=[])  # patterns


def routes(models: dict[str, ModelSettings]) -> dict[str, Provider]:
    """The model routes of these sections, by name."""
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


def allowance(section: BudgetSettings) -> budget.Budget:
    """The budget of this section."""
    return budget.Budget(
        per_run=_amount(section.per_run),
        per_day=_amount(section.per_day),
        repositories={
            path: budget.Share(
                per_run=None if share.per_run is None else _amount(share.per_run),
                per_day=_amount(share.per_day),
            )
            for path, share in section.repositories.items()
        },
    )


def _price(price: PriceSettings) -> PriceOfTokens:
    read, write = (price.input if each is None else each for each in (price.cache_read, price.cache_write))
    return PriceOfTokens(input=price.input, output=price.output, cache_read=read, cache_write=write)


def _amount(amount: AmountSettings) -> budget.Amount:
    return budget.Amount(usd=amount.usd, tokens=amount.tokens, requests=amount.requests)

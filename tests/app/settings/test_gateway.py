"""The settings of models and budgets, in the file and in the environment."""

from pathlib import Path

import pytest

from bot.app.settings import budgets, gateway
from bot.app.settings.settings import Settings, load
from bot.domain.errors import BadSettings
from bot.gateway.budget import RepositoryBudget, UsageLimit
from bot.gateway.providers import Auth, Price


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _load(text: str = "") -> Settings:
    Path("forgehand.toml").write_text(text)
    return load()


def test_a_known_provider_needs_only_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_MODELS__ANTHROPIC__KEY", "sk-1")
    Path("key").write_text("sk-2\n")
    monkeypatch.setenv("FORGEHAND_MODELS__OPENAI__KEY_FILE", "key")

    settings = _load()
    providers = gateway.providers(settings.models)

    assert [(provider.url, provider.key, provider.auth) for provider in providers.values()] == [
        ("https://api.anthropic.com", "sk-1", Auth.X_API_KEY),
        ("https://api.openai.com", "sk-2", Auth.BEARER),
    ]
    assert {"sk-1", "sk-2"} <= set(settings.secrets)
    assert "sk-1" not in repr(settings)


def test_a_setting_of_a_known_provider_overrides_the_default() -> None:
    settings = _load('[models.anthropic]\nkey = "sk-1"\nurl = "https://own.example/a/"\nmodels = ["opus-*"]')

    provider = gateway.providers(settings.models)["anthropic"]

    assert (provider.url, provider.auth) == ("https://own.example/a", Auth.X_API_KEY)
    assert provider.has("opus-5")
    assert not provider.has("sonnet")


def test_another_provider_can_have_prices_and_no_key() -> None:
    settings = _load(
        '[models.ours]\nurl = "http://10.0.0.5:8000"\nprices = { "a*" = { input = 1.0, output = 5.0, '
        'cache_read = 0.5 }, "*" = { input = 9.0, output = 9.0 } }'
    )

    provider = gateway.providers(settings.models)["ours"]

    assert provider.credential() is None
    assert provider.price("abc") == Price(input=1, output=5, cache_read=0.5, cache_write=1)
    assert provider.price("b") == Price(input=9, output=9, cache_read=9, cache_write=9)


def test_a_repository_can_have_its_own_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_BUDGET__PER_DAY__USD", "50")
    settings = _load(
        '[budget]\nper_run = { requests = 5 }\n[budget.repositories."Acme/Anvil"]\nper_day = { tokens = 9 }'
    )

    budget = budgets.budget_of(settings.budget)

    assert (budget.per_run, budget.per_day) == (UsageLimit(requests=5), UsageLimit(usd=50))
    assert budget.repositories == {"acme/anvil": RepositoryBudget(per_day=UsageLimit(tokens=9))}


def test_a_repeated_set_of_package_hosts_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_NETWORK__SETS", "npm, pip npm")

    assert _load().network.sets == ["npm", "pip"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[models.anthropic]", r"\[models\] anthropic needs a key: FORGEHAND_MODELS__ANTHROPIC__KEY_FILE"),
        (
            "[models.anthropc]\nkey = 'x'",
            r"\[models\] anthropc needs a url; only those of anthropic, openai, gemini are known",
        ),
        (
            "[models.ours]\nurl = 'http://x'\nprices = { a = { input = 1 } }",
            r"ours.prices.a.output is missing",
        ),
        ("[models.ours]\nurl = 'http://x'\nmodels = []", r"\[models\] ours.models must not be empty"),
        ("[budget]\nper_run = 5", r"\[budget\] per_run must be a table"),
        ("[models.ours]\nurl = 'ftp://x'", r"\[models\] ours.url must be an address such as"),
        ("[models.'a b']\nurl = 'http://x'", r'has the name "a b"; use lower-case letters'),
        ("[models.anthropic]\nkey = 'a b'", r"\[models\] anthropic.key must be ASCII without spaces"),
        (
            "[models.anthropic]\nkey = 'a'\nmodel = 'x'",
            r"anthropic.model is not a setting. Did you mean",
        ),
        ("[budget]\nper_week = 1", r"\[budget\] per_week is not a setting"),
        ("[budget]\nper_run = { euro = 1 }", r"per_run.euro is not a setting. Use one of: usd, tokens, req"),
        ("[budget]\nper_run = { usd = -1 }", r"\[budget\] per_run.usd must be a number, at least 0, not -1"),
        ("[network]\nsets = ['npm', 'cargo']", r'sets has "cargo", which is not one of pip, npm, go, apt'),
        ("[network]\nallow = ['10.0.0.1']", r'allow has "10.0.0.1", which is not a host name'),
        (
            "[budget.repositories.acme]\nper_day = { usd = 1 }",
            r'has "acme", which is not a repository: write owner/name',
        ),
        (
            "[budget.repositories.'a/b']\nper_day = { dollars = 1 }",
            r"repositories.a/b.per_day.dollars is not a setting. Use one of: usd",
        ),
    ],
)
def test_an_invalid_setting_of_models_or_budgets_is_reported_with_its_key(text: str, sentence: str) -> None:
    with pytest.raises(BadSettings, match=sentence):
        _load(text)


def test_an_invalid_api_key_is_not_in_the_error() -> None:
    with pytest.raises(BadSettings) as refused:
        _load("[models.anthropic]\nkey = 'sk with a blank'")

    assert "sk with" not in str(refused.value)

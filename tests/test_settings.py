"""One TOML file and the environment; every mistake is a sentence that names the key."""

from pathlib import Path

import pytest

from bot.errors import BadSettings
from bot.settings import load


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _write(text: str, name: str = "forgehand.toml") -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def test_without_a_file_everything_has_a_value_and_nothing_a_secret() -> None:
    settings = load()

    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.data.path == Path("forgehand-data")
    assert settings.store_url == f"sqlite:///{Path.cwd()}/forgehand-data/ledger.sqlite3"
    assert settings.github.webhook_secrets == []
    assert settings.repositories.allow == []
    assert settings.secrets == []


def test_the_file_of_the_working_folder_is_found() -> None:
    _write("[server]\nport = 9000\n")

    assert load().server.port == 9000


def test_a_named_file_is_taken_instead() -> None:
    _write("[server]\nport = 9000\n")

    assert load(_write("[server]\nport = 9001\n", "other.toml")).server.port == 9001


def test_a_named_file_that_is_not_there_is_said() -> None:
    with pytest.raises(BadSettings, match=r"nowhere\.toml cannot be read.*--config"):
        load(Path("nowhere.toml"))


def test_the_environment_beats_the_file_key_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    _write('[server]\nhost = "0.0.0.0"\nport = 9000\n')
    monkeypatch.setenv("FORGEHAND_SERVER__PORT", "9002")

    server = load().server

    assert (server.host, server.port) == ("0.0.0.0", 9002)


def test_lists_in_the_environment_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_REPOSITORIES__ALLOW", "acme, ann/anvil")
    monkeypatch.setenv("FORGEHAND_GITHUB__WEBHOOK_SECRETS", "one,two")

    settings = load()

    assert settings.repositories.allow == ["acme", "ann/anvil"]
    assert [secret.get_secret_value() for secret in settings.github.webhook_secrets] == ["one", "two"]


def test_a_secret_may_be_the_content_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    _write("[github]\ntoken = 'from the toml file'\n")
    monkeypatch.setenv("FORGEHAND_GITHUB__TOKEN_FILE", str(_write("from-a-file\n", "token")))
    monkeypatch.setenv("FORGEHAND_GITHUB__WEBHOOK_SECRETS_FILE", str(_write("old\nnew\n", "secrets")))

    github = load().github

    assert github.token.get_secret_value() == "from-a-file"
    assert [secret.get_secret_value() for secret in github.webhook_secrets] == ["old", "new"]


def test_a_secret_file_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_GITHUB__TOKEN_FILE", "nowhere")

    with pytest.raises(BadSettings, match="FORGEHAND_GITHUB__TOKEN_FILE names nowhere"):
        load()


@pytest.mark.parametrize(
    ("given", "seconds"), [("'90'", 90), ("'90s'", 90), ("'45m'", 2700), ("'2h'", 7200), ("1800", 1800)]
)
def test_a_duration_may_have_a_unit(given: str, seconds: int) -> None:
    _write(f"[sandbox]\nwall_limit = {given}\n")

    assert load().sandbox.wall_limit == seconds


def test_a_command_line_is_split_as_a_shell_would() -> None:
    _write("""[agents.one]\ncommand = "sh -c 'a b'"\n[agents.two]\ncommand = ["x", "y z"]\n""")

    agents = load().agents

    assert {name: agent.command for name, agent in agents.items()} == {
        "one": ["sh", "-c", "a b"],
        "two": ["x", "y z"],
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[github]\ntokn = 'x'", r"\[github\] tokn is not a setting\. Did you mean token\?"),
        ("[gitub]\ntoken = 'x'", r"\[gitub\] is not a setting\. Did you mean github\?"),
        ("[server]\nport = 'many'", r"\[server\] port should be a valid integer"),
        ("[sandbox]\nwall_limit = '45q'", r'\[sandbox\] wall_limit must be a duration such as "45m"'),
        ("[sandbox]\nmemory = 'lots'", r"\[sandbox\] memory "),
        ("[agents.demo]\ncmd = 'x'", r"\[agents\] demo\.(command field required|cmd is not a setting)"),
        ("[agents.demo]\ncommand = ''", r"\[agents\] demo\.command "),
        ("[server]\noperator_token = 'short'", r"\[server\] operator_token must have at least 16 characters"),
        ("[limits]\nper_host = 0", r"\[limits\] per_host should be greater than or equal to 1"),
        ("server = [", r"is no TOML file"),
    ],
)
def test_what_is_wrong_is_named(text: str, sentence: str) -> None:
    _write(text)

    with pytest.raises(BadSettings, match=sentence):
        load()


def test_a_misspelt_section_in_the_environment_is_not_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_GITUB__TOKEN", "x")

    with pytest.raises(BadSettings, match=r"FORGEHAND_GITUB__TOKEN: .*Did you mean github\?"):
        load()


def test_secrets_are_known_but_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_GITHUB__TOKEN", "token-value")
    monkeypatch.setenv("FORGEHAND_GITHUB__WEBHOOK_SECRETS", "secret-value")
    monkeypatch.setenv("FORGEHAND_STORE__URL", "postgresql://ann:password-value@db/forgehand")
    monkeypatch.setenv("FORGEHAND_QUEUE__URL", "redis://:redis-value@queue/0")

    settings = load()

    assert settings.secrets == ["token-value", "secret-value", "password-value", "redis-value"]
    assert not any(secret in repr(settings) for secret in settings.secrets)


def test_a_wrong_value_is_not_repeated_it_may_be_a_secret() -> None:
    _write("[github]\ntoken = ['private-value']\n")

    with pytest.raises(BadSettings) as caught:
        load()

    assert "private-value" not in str(caught.value)


def test_the_example_configuration_is_valid() -> None:
    example = Path(__file__).parent.parent / "deploy" / "forgehand.example.toml"

    settings = load(example)

    assert settings.agents

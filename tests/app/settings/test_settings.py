"""One TOML file and the environment; the error for an invalid setting names its key."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from bot.agents.agent import AgentKind
from bot.agents.command_line import CommandLineAgent
from bot.agents.registry import KINDS
from bot.app.settings.settings import Settings, load, plain
from bot.domain.errors import BadSettings

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _write(text: str, name: str = "forgehand.toml") -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def test_without_a_file_every_key_has_a_default_and_secrets_are_empty() -> None:
    settings = load()

    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.store_url == f"sqlite:///{settings.data.path}/ledger.sqlite3"
    assert settings.github.webhook_secrets == []
    assert settings.gitlab.url == "https://gitlab.com"
    assert settings.gitlab.signing_tokens == []
    assert settings.labels.run == {}
    assert settings.repositories.allow == []
    assert settings.secrets == []


def test_the_file_in_the_working_folder_is_found() -> None:
    _write("[server]\nport = 9000\n")

    assert load().server.port == 9000


def test_a_named_file_is_read_instead_of_the_one_in_the_working_folder() -> None:
    _write("[server]\nport = 9000\n")

    assert load(_write("[server]\nport = 9001\n", "other.toml")).server.port == 9001


def test_a_missing_named_file_is_an_error() -> None:
    with pytest.raises(BadSettings, match=r"nowhere\.toml cannot be read.*--config"):
        load(Path("nowhere.toml"))


def test_the_environment_overrides_single_keys_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    _write('[server]\nhost = "0.0.0.0"\nport = 9000\n')
    monkeypatch.setenv("FORGEHAND_SERVER__PORT", "9002")

    server = load().server

    assert (server.host, server.port) == ("0.0.0.0", 9002)


def test_a_list_in_the_environment_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_missing_secret_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_GITHUB__TOKEN_FILE", "nowhere")

    with pytest.raises(BadSettings, match="FORGEHAND_GITHUB__TOKEN_FILE names nowhere: no such file"):
        load()


def test_repositories_can_have_another_address_than_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    _write("[gitlab]\nurl = 'http://gitlab.internal:8080'\nweb_url = 'https://git.example.org/gitlab/'\n")
    monkeypatch.setenv("FORGEHAND_GITHUB__WEB_URL", "")

    settings = load()

    assert (settings.gitlab.web_url, settings.github.web_url) == ("https://git.example.org/gitlab", "")


def test_secrets_of_gitlab_can_be_in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_GITLAB__URL", "https://git.example.org/")
    monkeypatch.setenv("FORGEHAND_GITLAB__TOKEN_FILE", str(_write("glpat-from-a-file\n", "token")))
    monkeypatch.setenv(
        "FORGEHAND_GITLAB__SIGNING_TOKENS_FILE", str(_write("whsec_b2xk\nwhsec_bmV3\n", "keys"))
    )

    gitlab = load().gitlab

    assert gitlab.url == "https://git.example.org"
    assert gitlab.token.get_secret_value() == "glpat-from-a-file"
    assert plain(gitlab.signing_tokens) == ["whsec_b2xk", "whsec_bmV3"]


def test_labels_of_the_operator_are_a_table() -> None:
    _write("""[labels]\nrun = { "good first issue" = "Do it." }\nsucceeded = "forgehand-done"\n""")

    labels = load().labels

    assert labels.run == {"good first issue": "Do it."}
    assert (labels.succeeded, labels.failed) == ("forgehand-done", "")


def test_a_table_of_labels_in_the_environment_has_one_label_on_each_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORGEHAND_LABELS__RUN", "tidy = Tidy: a = b\n\ngood first issue = Do it.\n")

    assert load().labels.run == {"tidy": "Tidy: a = b", "good first issue": "Do it."}


@pytest.mark.parametrize(
    ("given", "seconds"), [("'90'", 90), ("'90s'", 90), ("'45m'", 2700), ("'2h'", 7200), ("1800", 1800)]
)
def test_a_duration_may_have_a_unit(given: str, seconds: int) -> None:
    _write(f"[sandbox]\nwall_limit = {given}\n")

    assert load().sandbox.wall_limit == seconds


@pytest.mark.parametrize(
    ("given", "size"), [("'500m'", 500 << 20), ("'20G'", 20 << 30), ("'1024'", 1024), ("4096", 4096)]
)
def test_a_size_may_have_a_unit(given: str, size: int) -> None:
    _write(f"[sandbox]\ndisk = {given}\n")

    assert load().sandbox.disk == size


def test_user_ids_of_tasks_are_a_range() -> None:
    _write("[sandbox]\nuids = '20001-20003'\n")

    assert list(load().sandbox.uids) == [20001, 20002, 20003]
    assert load().sandbox.uid is None


def test_a_repository_can_have_its_own_limits() -> None:
    _write("""[limits.repositories."Acme/Anvil"]\nmemory = "8g"\nwall_limit = "3h"\n""")

    own = load().limits.repositories["acme/anvil"]

    assert (own.memory, own.wall_limit, own.disk, own.idle_limit) == ("8g", 10_800, None, None)


def test_a_command_line_is_split_by_the_rules_of_a_shell() -> None:
    _write("""[agents.one]\ncommand = "sh -c 'a b'"\n[agents.two]\ncommand = ["x", "y z"]\n""")

    agents = load().agents

    assert {name: agent.command for name, agent in agents.items()} == {
        "one": ["sh", "-c", "a b"],
        "two": ["x", "y z"],
    }


def test_each_kind_of_agent_in_the_registry_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "one-more", AgentKind(create=CommandLineAgent))
    _write("[agents.demo]\nkind = 'one-more'\n")

    assert load().agents["demo"].kind == "one-more"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[github]\ntokn = 'x'", r"\[github\] tokn is not a setting\. Did you mean token\?"),
        ("[gitub]\ntoken = 'x'", r"\[gitub\] is not a setting\. Did you mean github\?"),
        (
            "[server]\nport = 'many'",
            r'toml:2: \[server\] port must be a whole number from 0 to 65535, not "many"\.$',
        ),
        ("[sandbox]\nwall_limit = '45q'", r'\[sandbox\] wall_limit must be a duration such as "45m"'),
        ("[sandbox]\nmemory = 'lots'", r'\[sandbox\] memory must be a size such as "512m" or "4g"\.$'),
        ("[agents.demo]\ncmd = 'x'", r"\[agents\] demo\.(command field required|cmd is not a setting)"),
        ("[agents.demo]\ncommand = ''", r"\[agents\] demo\.command "),
        ("[agents]\nclaude = 'claude'", r"\[agents\] claude must be a table\."),
        ("labels = 'tidy'", r"\[labels\] must be a table\."),
        ("[agents.demo]\nmodel = 'x'", r"\[agents\] demo needs a command, such as"),
        ("[agents.Demo]\ncommand = 'x'", r'\[agents\] has the name "Demo"; use lower-case letters'),
        ("[agents.demo]\nkind = 'clod'", r"\[agents\] demo\.kind must be 'command' or 'claude'"),
        ("[server]\noperator_token = 'short'", r"\[server\] operator_token must have at least 16 characters"),
        ("[limits]\nper_host = 0", r"\[limits\] per_host must be a whole number, at least 1, not 0\.$"),
        (
            "[gitlab]\nsigning_token = 'x'",
            r"\[gitlab\] signing_token is not .* Did you mean signing_tokens\?",
        ),
        ("[gitlab]\nurl = 'gitlab.com'", r"\[gitlab\] url must be an address such as https://"),
        ("[gitlab]\nurl = 'https://gitlab.com/api/v4/'", r"\[gitlab\] url .*without /api/v4"),
        ("[github]\nurl = 'https://me:pw@github.com'", r"\[github\] url .*without a user name"),
        *[
            (f"[{forge}]\n{key} = '{url}'", rf"\[{forge}\] {key} must be an address such as https://")
            for forge in ("github", "gitlab")
            for key in ("url", "web_url")
            for url in (
                "git.example.org",
                "ssh://git.example.org",
                "file:///srv/git",
                "https://me:pw@git.example.org",
                "https://git.example.org/a?b=c",
                "https://git.example.org/a/../b",
                "https://git.example.org#a",
                "https://git example.org",
                "https://",
            )
        ],
        ("[labels]\nrun = 'tidy'", r"\[labels\] run must be a table such as"),
        ("[labels.run]\ntidy = ' '", r'\[labels\] run needs a label and its instructions; "tidy" lacks'),
        ("[labels.run]\n'' = 'Tidy.'", r"\[labels\] run needs a label"),
        (
            "[labels.run]\nForgehand-tidy = 'Tidy.'",
            r'"Forgehand-tidy": the bot reserves labels that begin with forgehand',
        ),
        ("[labels.run]\ntidy = 'Tidy.'\nTidy = 'Do.'", r'\[labels\] name "tidy" twice'),
        ("[labels]\nrun = {done = 'Do.'}\nsucceeded = 'Done'", r'\[labels\] name "done" twice'),
        ("[labels]\nfailed = 'forgehand:demo'", r'cannot show a result with "forgehand:demo"'),
        *[
            (
                f"[sandbox]\nuids = {uids}",
                r'\[sandbox\] uids must be a range of user ids such as "10001-10256"',
            )
            for uids in ("'10001'", "'10256-10001'", "'0-9'", "'a-b'", "10001", "'1-2-3'", "'10001 - 10002'")
        ],
        (
            "[sandbox]\nuids = '1-999999999'",
            r"uids must have at most 65536 user ids, and 1-999999999 has 999999999",
        ),
        ("[sandbox]\ndisk = 'much'", r'\[sandbox\] disk must be a size such as "500m" or "20g"'),
        ("[limits.repositories.anvil]", r'\[limits\] repositories has "anvil", which is not a repository'),
        (
            "[limits.repositories.'acme/anvil']\nwal_limit = '1h'",
            r"\[limits\] repositories\.acme/anvil\.wal_limit is not .* Did you mean wall_limit\?",
        ),
        ("server = [", r"is not valid TOML"),
    ],
)
def test_an_invalid_setting_is_reported_with_its_key(text: str, sentence: str) -> None:
    _write(text)

    with pytest.raises(BadSettings, match=sentence):
        load()


def test_a_misspelt_section_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_GITUB__TOKEN", "x")

    with pytest.raises(BadSettings, match=r"FORGEHAND_GITUB__TOKEN: .*Did you mean github\?"):
        load()


def test_secrets_are_listed_but_not_in_the_repr_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_GITHUB__TOKEN", "token-value")
    monkeypatch.setenv("FORGEHAND_GITHUB__WEBHOOK_SECRETS", "secret-value")
    monkeypatch.setenv("FORGEHAND_GITLAB__TOKEN", "other-token-value")
    monkeypatch.setenv("FORGEHAND_GITLAB__WEBHOOK_SECRETS", "other-secret-value")
    monkeypatch.setenv("FORGEHAND_GITLAB__SIGNING_TOKENS", "whsec_a2V5LXZhbHVl")
    monkeypatch.setenv("FORGEHAND_STORE__URL", "postgresql://ann:password-value@db/forgehand")
    monkeypatch.setenv("FORGEHAND_QUEUE__URL", "redis://:redis-value@queue/0")

    settings = load()

    assert sorted(settings.secrets) == [
        "a2V5LXZhbHVl",
        "other-secret-value",
        "other-token-value",
        "password-value",
        "redis-value",
        "secret-value",
        "token-value",
        "whsec_a2V5LXZhbHVl",
    ]
    assert not any(secret in repr(settings) for secret in settings.secrets)


def test_an_invalid_value_is_not_in_the_error_because_it_may_be_a_secret() -> None:
    _write("[github]\ntoken = ['private-value']\n")

    with pytest.raises(BadSettings) as caught:
        load()

    assert "private-value" not in str(caught.value)


def test_the_example_configuration_is_valid_and_names_every_section() -> None:
    example = ROOT / "deploy" / "forgehand.example.toml"

    settings = load(example)

    assert settings.agents
    assert settings.labels.run
    missing = [name for name in Settings.model_fields if f"[{name}]" not in example.read_text()]
    assert missing == ["agents", "models"]  # their sections have a name, such as [agents.demo]


def test_the_example_with_the_change_from_the_readme_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGEHAND_MODELS__ANTHROPIC__KEY_FILE", str(_write("sk-1\n", "key")))
    _, _, told = (
        (ROOT / "README.md").read_text().partition("replace the example's `[agents.demo]` and `[budget]`")
    )
    ours = dedent(re.findall(r"(?:^       .*\n|^\n)+", told, re.MULTILINE)[0])
    example = (ROOT / "deploy" / "forgehand.example.toml").read_text()
    rest = re.sub(r"^\[(?:agents\.demo|budget)\]\n(?:.+\n)+", "", example, flags=re.MULTILINE)

    settings = load(_write(rest + ours))

    assert [(name, agent.kind) for name, agent in settings.agents.items()] == [("claude", "claude")]
    assert list(settings.models) == ["anthropic"]
    assert settings.budget.per_run.requests


def test_every_setting_is_documented_for_the_operator() -> None:
    told = (ROOT / "docs" / "operating.md").read_text()

    assert [key for key in _keys(Settings) if not re.search(rf"`(?:\[\S+\] )?{key}`|\b{key} = ", told)] == []


def _keys(section: type[BaseModel]) -> Iterator[str]:
    """Yield the names of the keys of a section and of its subsections, without those of the subsections."""
    for name, field in section.model_fields.items():
        inner = _sections(field.annotation)
        yield from (key for each in inner for key in _keys(each)) if inner else [name]


def _sections(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [found for each in get_args(kind) for found in _sections(each)]

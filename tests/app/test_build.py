"""The runtime is built from the settings."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app import ledger_wait
from bot.app.build import build_runtime
from bot.app.settings.forges import GitHubSettings, GitLabSettings
from bot.app.settings.limits import LimitsSettings, SandboxSettings
from bot.app.settings.sections import DataSettings, StoreSettings
from bot.app.settings.settings import Settings
from bot.domain.errors import BadSettings
from bot.domain.nudges import Nudges
from bot.store.ledger import Ledger, clock, open_ledger
from tests.support.services import Postgres

TOKEN = SecretStr("token-of-the-bot")
NUDGES = Nudges(answer=lambda _forge, _id: None, work=lambda: None, report=lambda _thread: None)


@pytest.mark.parametrize(
    ("web_url", "github", "gitlab"),
    [
        ("", "https://git.example.org/hub", "https://git.example.org/lab"),
        ("https://code.example.org/x", "https://code.example.org/x", "https://code.example.org/x"),
    ],
)
def test_the_web_address_of_a_forge_is_web_url_or_else_derived_from_url(
    tmp_path: Path, web_url: str, github: str, gitlab: str
) -> None:
    settings = Settings(
        data=DataSettings(path=tmp_path / "data"),
        github=GitHubSettings(url="https://git.example.org/hub/api/v3", web_url=web_url, token=TOKEN),
        gitlab=GitLabSettings(url="https://git.example.org/lab", web_url=web_url, token=TOKEN),
    )

    with build_runtime(settings, public_url="", nudges=NUDGES) as runtime:
        for name, web in {"github": github, "gitlab": gitlab}.items():
            assert runtime.forges[name].git_headers(f"{web}/acme/anvil")
            assert runtime.forges[name].git_headers("https://git.example.org/acme/anvil") == {}


def test_a_postgresql_that_goes_away_during_the_start_is_waited_for(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, away = postgres.migrated(), ExitStack()
    settings = Settings(
        data=DataSettings(path=tmp_path / "data"),
        github=GitHubSettings(token=TOKEN),
        store=StoreSettings(url=SecretStr(url)),
    )

    def opened(url: str, *, was_there: bool) -> Ledger:
        ledger = open_ledger(url, was_there=was_there)
        away.enter_context(postgres.unavailable(url))
        return ledger

    monkeypatch.setattr(ledger_wait, "open_ledger", opened)
    with (
        build_runtime(settings, public_url="", nudges=NUDGES, check=away.close) as runtime,
        runtime.ledger.read() as tx,
    ):
        assert clock(tx) > 0


@pytest.mark.parametrize(
    ("sandbox", "default", "uids"),
    [
        (SandboxSettings(), 10001, list(range(10001, 10257))),
        (SandboxSettings(uid=20000), 20000, []),
        (SandboxSettings(uids=range(20001, 20003)), 20001, [20001, 20002]),
    ],
)
def test_each_task_has_one_of_the_user_ids(
    tmp_path: Path, sandbox: SandboxSettings, default: int, uids: list[int]
) -> None:
    settings = Settings(
        data=DataSettings(path=tmp_path / "data"), github=GitHubSettings(token=TOKEN), sandbox=sandbox
    )

    with build_runtime(settings, public_url="", nudges=NUDGES) as runtime:
        assert list(runtime.worker.uids) == uids
        assert runtime.engine._uid == default


def test_the_user_id_of_the_bot_is_no_tasks_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 20001)
    sandbox = SandboxSettings(uids=range(20001, 20004))
    settings = Settings(data=DataSettings(path=tmp_path / "data"), sandbox=sandbox)

    with build_runtime(settings, public_url="", nudges=NUDGES) as runtime:
        assert list(runtime.worker.uids) == [20002, 20003]
        assert runtime.engine._uid == 20002

    same = settings.model_copy(update={"sandbox": SandboxSettings(uid=20001)})
    with (
        pytest.raises(BadSettings, match=r"\[sandbox\] uid is 20001, the bot's own user id"),
        build_runtime(same, public_url="", nudges=NUDGES),
    ):
        pass


def test_more_runs_at_once_than_user_ids_are_refused(tmp_path: Path) -> None:
    settings = Settings(
        data=DataSettings(path=tmp_path / "data"),
        sandbox=SandboxSettings(uids=range(20001, 20003)),
        limits=LimitsSettings(per_host=3),
    )

    with (
        pytest.raises(
            BadSettings, match=r"uids has 2 user ids .* fewer than the 3 runs that \[limits\] per_host"
        ),
        build_runtime(settings, public_url="", nudges=NUDGES),
    ):
        pass

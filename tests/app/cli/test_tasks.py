"""Commands that read the ledger, called in this process."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app.cli.tasks import logs
from bot.app.settings.forges import GitHubSettings
from bot.app.settings.sections import AgentSettings, DataSettings
from bot.app.settings.settings import Settings
from bot.store import claims, leases, log_chunks
from bot.store.ledger import open_ledger
from tests.support.claude_stand_in import recorded
from tests.support.rows import a_worker, add_run, lease_of

SECRET = "s3cret-of-the-operator"


@pytest.mark.parametrize("raw", [True, False])
def test_a_part_of_a_secret_at_a_gap_in_the_log_is_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, raw: bool
) -> None:
    settings = Settings(
        data=DataSettings(path=tmp_path),
        agents={"shell": AgentSettings(command=["sh"])},
        github=GitHubSettings(token=SecretStr(SECRET)),
    )
    ledger = open_ledger(settings.store_url)
    with ledger.write() as tx:
        run = add_run(tx)
        leases.write(tx, lease_of(claims.claim(tx, a_worker(), run.id)), agent="shell")
        log_chunks.append(tx, run.id, 0, f"first {SECRET}\nit is {SECRET[:15]}".encode())
        log_chunks.append(tx, run.id, 1000, f"{SECRET[15:]}\nlast\nunended".encode())
    ledger.close()

    logs(settings, run.task, follow=False, raw=raw)

    first, gap, *others = capsys.readouterr().out.splitlines()
    assert first == "first [redacted]"
    assert re.fullmatch(r"… \d+ bytes left out …", gap)
    assert others == ["last", "unended"]


def test_the_log_is_text_for_people_or_raw_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data=DataSettings(path=tmp_path), agents={"claude": AgentSettings(kind="claude")})
    printed = b"\n".join(recorded("good"))
    ledger = open_ledger(settings.store_url)
    with ledger.write() as tx:
        run = add_run(tx)
        leases.write(tx, lease_of(claims.claim(tx, a_worker(), run.id)), agent="claude")
        log_chunks.append(tx, run.id, 0, printed)
    ledger.close()

    logs(settings, run.task, follow=False, raw=False)
    words = capsys.readouterr().out.splitlines()
    logs(settings, run.task, follow=False, raw=True)
    raw = capsys.readouterr().out.splitlines()

    assert "> Bash ls -la && cat README.md" in words
    assert not any(line.startswith("{") for line in words)
    assert len(raw) == len(printed.splitlines())
    assert all(line.startswith("{") for line in raw)

"""Files that killed processes leave in the data folder are removed; those of living ones stay."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.git.bare_repository import make_bare
from bot.runs.crash_leftovers import remove_files
from bot.store import data_folder
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from tests.runs.crash_files import crash_files
from tests.support.rows import add_run, claimed
from tests.support.waiting import eventually

pytestmark = pytest.mark.waits

LOCK = "from bot.store.process_locks import process_lock\nwith process_lock(data, 'h1'): go()"
EXPORT = """
from bot.sandbox.export.incoming import incoming
with incoming(data.quarantines, 't1-1', 'forgehand-t1-1-1-export') as path: go()
"""
DRAFT = """
from bot.store import data_folder
pathlib.Path.hardlink_to = lambda *_: go()
data_folder.identity(data)
"""
REPOSITORY = """
from bot.git.bare_repository import make_bare
pathlib.Path.replace = lambda *_: go()
make_bare(data.quarantine('t2'))
"""
# Its standard input is a pack that never ends.
PACK = """
import subprocess
path = data.quarantine('t1')
pack = subprocess.Popen(['git', 'index-pack', '--stdin'], cwd=path, stdin=subprocess.PIPE)
pack.stdin.write(b'PACK' + (2).to_bytes(4, 'big') + (9).to_bytes(4, 'big'))
pack.stdin.flush()
while not list(path.glob('objects/pack/tmp_*')): time.sleep(0.05)
pack.kill()
go()
"""
# A git that has locked a ref of a mirror.
REF = """
import subprocess
from bot.git.bare_repository import make_bare
path = data.mirror('m')
make_bare(path)
blob = subprocess.run(['git', 'hash-object', '-w', '--stdin'], cwd=path, input=b'', stdout=subprocess.PIPE)
oid = blob.stdout.decode().strip()
pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.DEVNULL}
git = subprocess.Popen(['git', 'update-ref', '--stdin'], cwd=path, **pipes)
git.stdin.write(f'start\\nupdate refs/keep/t1/{oid} {oid}\\nprepare\\n'.encode())
git.stdin.flush()
while not list(path.glob('refs/keep/t1/*.lock')): time.sleep(0.05)
git.kill()
go()
"""
FETCH = """
from bot.git.fetch import fetch
from bot.git.mirror import Mirror
fetch(Mirror(data.mirror('m')), sys.argv[2], {})
"""
PROGRAMS = {
    "lock": LOCK,
    "export": EXPORT,
    "draft": DRAFT,
    "pack": PACK,
    "ref": REF,
    "repository": REPOSITORY,
}
BEGINNING = """
import pathlib, sys, time
from bot.store.data_folder import DataFolder
data = DataFolder(pathlib.Path(sys.argv[1]))
def go():
    print(flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = data_folder.create(tmp_path / "data")
    data_folder.host_name(folder, "h1")
    make_bare(folder.quarantine("t1"))
    folder.workers.mkdir()
    return folder


@contextmanager
def running(data: DataFolder, program: str, *args: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the program, which is killed at the end of the block at the latest."""
    command = [sys.executable, "-c", BEGINNING + program, str(data.root), *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def begun(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"\n"


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_the_files_of_a_killed_process_are_removed(
    data: DataFolder, sqlite_ledger: Ledger, program: str
) -> None:
    with running(data, program) as process:
        begun(process)
        process.kill()
        process.wait()
        left = crash_files(data)

        remove_files(data, sqlite_ledger, new=0, in_use=0)

    assert left != []
    assert crash_files(data) == []
    assert data.instance.read_text() == "h1"


@pytest.mark.parametrize("program", [LOCK, EXPORT], ids=["lock", "export"])
def test_the_files_of_a_living_process_stay(data: DataFolder, sqlite_ledger: Ledger, program: str) -> None:
    with running(data, program) as process:
        begun(process)
        before = crash_files(data)

        remove_files(data, sqlite_ledger, new=0, in_use=0)

        assert crash_files(data) == before != []


@pytest.mark.parametrize("program", [EXPORT, DRAFT, PACK], ids=["export", "draft", "pack"])
def test_new_files_stay(data: DataFolder, sqlite_ledger: Ledger, program: str) -> None:
    with running(data, program) as process:
        begun(process)
    before = crash_files(data)

    remove_files(data, sqlite_ledger)

    assert crash_files(data) == before != []


def test_what_a_killed_fetch_left_is_removed_when_its_git_has_ended(
    data: DataFolder, sqlite_ledger: Ledger
) -> None:
    mirror = data.mirror("m")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/anvil"
        with running(data, FETCH, url) as process, silent.accept()[0]:
            for name in ("packed-refs.lock", "objects/pack/tmp_pack_x"):
                (mirror / name).touch()
            process.kill()
            process.wait()
            remove_files(data, sqlite_ledger, new=0)
            assert len(crash_files(data)) == 2  # its git still works

    def cleared() -> bool:
        remove_files(data, sqlite_ledger, new=0)
        return crash_files(data) == []

    eventually(cleared)


def test_the_gateway_of_a_run_that_has_ended_is_removed(data: DataFolder, sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        add_run(tx)
        running_run = claimed(tx)
    for name in (running_run.id, "t0-1"):
        data.gateway(name).mkdir(parents=True)

    remove_files(data, sqlite_ledger)

    assert crash_files(data) == [data.gateway(running_run.id)]

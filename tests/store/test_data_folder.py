"""The data folder: its name and mode, the owner of its paths, and the keys that hosts agree on."""

import ast
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app.build import build_runtime
from bot.app.settings.sections import DataSettings, StoreSettings
from bot.app.settings.settings import Settings
from bot.domain.errors import BadSettings
from bot.domain.nudges import Nudges
from bot.git.bare_repository import make_bare
from bot.git.run import Objects, git
from bot.runs.runtime import Runtime
from bot.store import data_folder
from bot.store.data_folder import DataFolder
from bot.store.ledger import open_ledger
from tests.architecture.tree import is_left_out, python, working_tree
from tests.support.inodes import needs_root, with_inodes

NOBODY = Nudges(answer=lambda *_: None, work=lambda: None, report=lambda _: None)


@contextmanager
def _opened(url: str, data: Path, called: str = "") -> Iterator[Runtime]:
    settings = Settings(data=DataSettings(path=data), store=StoreSettings(url=SecretStr(url)))
    with build_runtime(settings, public_url="https://bot.example.org", nudges=NOBODY, host=called) as runtime:
        yield runtime


def test_an_empty_data_folder_that_is_open_to_other_users_is_closed_to_them(
    sqlite_url: str, tmp_path: Path
) -> None:
    for name in ("empty", "shared"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    (tmp_path / "shared" / "of others").touch()

    with _opened(sqlite_url, tmp_path / "empty") as empty, _opened(sqlite_url, tmp_path / "shared") as shared:
        assert [stat.S_IMODE(runtime.data.root.stat().st_mode) for runtime in (empty, shared)] == [
            0o750,
            0o755,
        ]
        assert [data_folder.is_open(runtime.data) for runtime in (empty, shared)] == [False, True]


def test_a_data_folder_retains_its_first_host_name(sqlite_url: str, tmp_path: Path) -> None:
    with _opened(sqlite_url, tmp_path / "one", "build-1") as runtime:
        first = runtime.worker
    with _opened(sqlite_url, tmp_path / "one") as runtime:
        again = runtime.worker

    assert (first.host, again.host, again.folder) == ("build-1", "build-1", first.folder)


@pytest.mark.parametrize(
    ("name", "words"),
    [("build-2", "already has the host name build-1"), ("a b", "letters, digits, dots and dashes")],
)
def test_another_host_name_is_refused(sqlite_url: str, tmp_path: Path, name: str, words: str) -> None:
    with _opened(sqlite_url, tmp_path / "one", "build-1"):
        pass

    with pytest.raises(BadSettings, match=words), _opened(sqlite_url, tmp_path / "one", name):
        pass


@pytest.mark.parametrize(
    "path", ["/proc/data", "/tmp/a\0b", f"/tmp/{'x' * 256}", f"/tmp/{'x/' * 2048}"], ids=str.__len__
)
def test_a_data_folder_that_cannot_be_created_is_refused(path: str) -> None:
    with pytest.raises(
        BadSettings, match=r"\[data\] path: /(proc|tmp)/.* is not a folder .* or name another"
    ):
        data_folder.create(Path(path))


def test_write_once_does_not_overwrite_the_first_content(tmp_path: Path) -> None:
    assert data_folder.write_once(tmp_path / "word", "first") == "first"
    assert data_folder.write_once(tmp_path / "word", "second") == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["word"]
    assert (tmp_path / "word").stat().st_mode & 0o777 == 0o600


def test_no_other_module_joins_a_path_below_the_data_folder() -> None:
    owner = "bot/store/data_folder.py"
    joined = {path: _joined(module) for path, module in python(working_tree()) if not is_left_out(path)}

    assert {"workspaces", "mirrors", "quarantine", "logs", "gateway", "workers"} < joined[owner]
    assert {path for path, names in joined.items() if names & joined[owner]} == {owner}


def _joined(module: ast.Module) -> set[str]:
    """Collect the names that this module joins to a path by `/`."""
    return {
        node.right.value
        for node in ast.walk(module)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and isinstance(node.right, ast.Constant)
        and isinstance(node.right.value, str)
    }


def test_all_hosts_sign_links_with_the_same_key(sqlite_url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        pages = {
            stack.enter_context(_opened(sqlite_url, tmp_path / name)).page("t1") for name in ("one", "two")
        }

    assert len(pages) == 1


def test_a_link_key_of_an_older_version_is_used_by_all_hosts(sqlite_url: str, tmp_path: Path) -> None:
    before = tmp_path / "one" / "link.key"
    before.parent.mkdir()
    before.write_text("c0ffee" * 10)

    with _opened(sqlite_url, tmp_path / "one") as runtime:
        first = runtime.link_key
    with _opened(sqlite_url, tmp_path / "two") as runtime:
        second = runtime.link_key

    assert first == second == bytes.fromhex("c0ffee" * 10)
    assert not before.exists()


def test_free_bytes_are_those_that_ordinary_users_may_fill(tmp_path: Path) -> None:
    assert abs(DataFolder(tmp_path).free_bytes() - shutil.disk_usage(tmp_path).free) < 1 << 30


@pytest.mark.waits
@needs_root
def test_a_disk_that_can_take_no_more_files_has_no_free_bytes(tmp_path: Path) -> None:
    with with_inodes(tmp_path / "data", 2_000) as data:
        assert DataFolder(data).free_bytes() > 1 << 20

        for number in range(1_500):
            (data / str(number)).touch()

        assert DataFolder(data).free_bytes() == 0


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("da:ta", "a colon"),
        (":", "a colon"),
        ("data\n", "a line break"),
        ("da\rta", "a line break"),
        ("da:ta/below", "a colon"),
    ],
)
def test_a_path_with_a_separator_of_git_is_refused(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(BadSettings, match=rf"\[data\] path: .* contains {problem}\. Name another folder"):
        data_folder.create(tmp_path / name)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["da ta", 'd"ata', "d'ata", "d;ata", "d%41ta", "d?ta", "50%", "d#ata", "d@ta", "dätä", "#data"]
)
def test_a_ledger_and_borrowed_objects_work_in_a_folder_with_an_unusual_name(
    tmp_path: Path, name: str
) -> None:
    folder = data_folder.create(tmp_path / name)
    open_ledger(Settings(data=DataSettings(path=folder.root)).store_url).close()
    make_bare(folder.mirror("m"))
    make_bare(folder.quarantine("q"))
    blob = git("hash-object", "-w", "--stdin", at=folder.mirror("m"), stdin=b"hello\n").decode().strip()

    objects = Objects(folder.quarantine("q"), (folder.mirror("m"),))

    assert folder.ledger.exists()
    assert git("cat-file", "-p", blob, at=objects.path, env=objects.borrowing()) == b"hello\n"

"""Journeys 1, 2 and 4 again with a bot that is not root and has only the engine's group.

The tests are the same; only their world differs. If root runs them, the bot gets its own user id
and no capability. Interpreter, packages and checkout may all be in root's home, which that user
cannot read, so the bot gets copies of them.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import bot
from bot.store.ledger import open_ledger
from tests.journeys import test_cancel as cancel
from tests.journeys import test_comment_to_branch as comment_to_branch
from tests.journeys.bot_processes import ENGINE
from tests.journeys.test_resume import test_a_failed_run_loses_nothing_and_can_be_resumed
from tests.journeys.world import World, world
from tests.support.playground_gitlab import AnyPlayground

__all__ = ["test_a_failed_run_loses_nothing_and_can_be_resumed"]


def _only_long(test: Any) -> Any:
    """Copy a test into this module, so that its mark here does not apply to the original."""
    again = FunctionType(test.__code__, test.__globals__, test.__name__, test.__defaults__, test.__closure__)
    return pytest.mark.long(again)


# The imported journey needs most of the privileges: it has two runs, a retained workspace, and an export.
test_a_comment_becomes_a_pushed_branch_and_is_answered = _only_long(
    comment_to_branch.test_a_comment_becomes_a_pushed_branch_and_is_answered
)
test_the_pushed_commits_have_the_trees_of_the_agent_and_the_bot_as_author = _only_long(
    comment_to_branch.test_the_pushed_commits_have_the_trees_of_the_agent_and_the_bot_as_author
)
test_a_running_agent_is_stopped_and_can_be_resumed = _only_long(
    cancel.test_a_running_agent_is_stopped_and_can_be_resumed
)
test_a_cancelled_queued_run_never_starts = _only_long(cancel.test_a_cancelled_queued_run_never_starts)

NOBODY = 61999  # a user id without an account; it owns only the files that it is given here


@pytest.fixture(scope="module")
def python() -> Iterator[Sequence[str]]:
    """Return a command line of Python that includes the bot and that any user may start."""
    with tempfile.TemporaryDirectory(prefix="forgehand-python-") as name:
        root, version = Path(name), f"python{sys.version_info.major}.{sys.version_info.minor}"
        interpreter = root / "bin" / version
        interpreter.parent.mkdir()
        shutil.copy2(Path(sys.executable).resolve(), interpreter)
        unused = shutil.ignore_patterns("test", "site-packages", "dist-packages", "config-*", "idlelib")
        shutil.copytree(sysconfig.get_path("stdlib"), root / "lib" / version, ignore=unused)
        tools = shutil.ignore_patterns("*mypy*", "pip", "pkg_resources", "setuptools", "hypothesis")
        shutil.copytree(sysconfig.get_path("purelib"), root / "packages", ignore=tools)
        checkout = Path(bot.__file__).parents[1]
        for package in ("bot", "handlers"):
            shutil.copytree(checkout / package, root / "code" / package)
        # If Python itself is a shared library, the interpreter looks for it at its build path.
        for library in Path(sysconfig.get_config_var("LIBDIR")).glob("libpython*.so*"):
            shutil.copy2(library, root / "lib")
        subprocess.run(["chmod", "-R", "a+rX", root], check=True)
        paths = [f"PYTHONPATH={root / 'code'}:{root / 'packages'}", f"LD_LIBRARY_PATH={root / 'lib'}"]
        yield ["env", *paths, str(interpreter)]


@pytest.fixture
def forge() -> str:
    """Use one forge: the owner of the processes does not depend on it."""
    return "github"


@pytest.fixture
def either(playground: AnyPlayground, python: Sequence[str]) -> Iterator[World]:
    """Make a world with the bot as a user that is not root, on SQLite. The bot is not started."""
    with tempfile.TemporaryDirectory(prefix="forgehand-user-") as name, ExitStack() as stack:
        folder = Path(name)
        store_url = f"sqlite:///{folder / 'data' / 'ledger.db'}"
        ledger = open_ledger(store_url)
        stack.callback(ledger.close)
        made = stack.enter_context(world(folder, ledger=ledger, store_url=store_url, playground=playground))
        if os.geteuid() == 0:
            made.user, made.python = NOBODY, python
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
        yield made


@pytest.fixture(autouse=True)
def _without_privilege(either: World) -> Iterator[None]:
    """Check that the bot's processes were not root and had no privilege except the engine's group."""
    yield
    assert either.processes
    for process in either.processes:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        status = {name: value.split() for name, value in (line.split(":", 1) for line in lines)}
        assert "0" not in status["Uid"] + status["Gid"]
        assert {int(status[name][0], 16) for name in ("CapEff", "CapPrm", "CapAmb")} == {0}
        assert str(ENGINE.stat().st_gid) in status["Groups"]

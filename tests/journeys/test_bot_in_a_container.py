"""Journey 1 again with the bot in a container, with the engine's socket and the data folder at the same path.

Programs, interpreter and packages are those of this machine, mounted at their own paths. The test
is about paths, not about building an image of the bot.
"""

import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

import bot
from bot.store.ledger import open_ledger
from tests.journeys.bot_processes import ENGINE
from tests.journeys.test_comment_to_branch import test_a_comment_becomes_a_pushed_branch_and_is_answered
from tests.journeys.world import World, world
from tests.support.images import small
from tests.support.playground_gitlab import AnyPlayground

__all__ = ["test_a_comment_becomes_a_pushed_branch_and_is_answered"]

pytestmark = pytest.mark.long

SKELETON = "/usr:/usr:ro"  # replaces folders of the small image, which has links into /usr


@pytest.fixture
def forge() -> str:
    """Use one forge: the bot runs in a container in the same way for both."""
    return "github"


def in_a_container(name: str, folder: Path, *, data: str) -> Sequence[str]:
    """Return a command line of Python in a container with `folder` at the same path.

    `data` is an argument for `-v`.
    """
    checkout = Path(bot.__file__).parents[1]
    programs = [f"{path}:{path}:ro" for path in (checkout, sys.prefix, sys.base_prefix)]
    volumes = [SKELETON, *programs, f"{folder}:{folder}", data, f"{ENGINE}:{ENGINE}"]
    return [
        *("docker", "run", "--rm", "--name", name, "--label", "forgehand=1", "--network", "host"),
        *(word for volume in dict.fromkeys(volumes) for word in ("--volume", volume)),
        *("--workdir", str(folder), "--env", f"PYTHONPATH={checkout}", "--env", "HOME=/nonexistent"),
        *("--env", f"PATH={Path(sys.executable).parent}:/usr/bin:/bin", small(), sys.executable),
    ]


@pytest.fixture
def name() -> Iterator[str]:
    """Return the name of the bot's container. The end of the client does not end the container."""
    name = f"forgehand-test-{uuid.uuid4().hex[:12]}"
    yield name
    subprocess.run(["docker", "rm", "-f", name], capture_output=True)


@pytest.fixture
def either(tmp_path: Path, playground: AnyPlayground, name: str) -> Iterator[World]:
    """Make a world with the bot in a container, on SQLite. The bot is not started."""
    store_url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with ExitStack() as stack:
        ledger = open_ledger(store_url)
        stack.callback(ledger.close)
        made = stack.enter_context(world(tmp_path, ledger=ledger, store_url=store_url, playground=playground))
        made.data.mkdir()
        made.python = in_a_container(name, tmp_path, data=f"{made.data}:{made.data}")
        yield made
        subprocess.run(["docker", "stop", name], capture_output=True)


def test_a_data_folder_at_another_path_is_refused_before_anything_starts(either: World, name: str) -> None:
    either.python = in_a_container(name, either.folder, data=f"{either.data}:/data")
    either.settings["data"]["path"] = "/data"

    process = either.start(ready="")

    assert process.wait(60) == 1
    assert "must have the same path in there as on the engine's machine" in either.output()
    either.settings["data"]["path"] = str(either.folder / "data")

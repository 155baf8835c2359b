"""What an agent may do with the files that it writes: nothing with another user's rights, and no device."""

from pathlib import Path

from bot.sandbox.engine.containers import Engine, Mount
from tests.sandbox.engine.test_containers import a_sandbox, output_of
from tests.support.inodes import with_options


def test_a_workspace_has_the_options_of_its_file_system(engine: Engine, image: str, tmp_path: Path) -> None:
    with with_options(tmp_path / "disk", "nosuid,nodev,size=1m") as disk:
        sandbox = a_sandbox(
            image, "grep ' /rw ' /proc/mounts", Mount(source=disk, target="/rw", writable=True)
        )
        engine.start(sandbox)
        options = output_of(engine, sandbox).decode().split()[3].split(",")

    assert {"rw", "nosuid", "nodev"} <= set(options)


def test_without_these_options_there_are_no_devices_and_no_rights_of_others(
    engine: Engine, image: str, folder: Path
) -> None:
    script = """
        mknod /rw/null c 1 3 2>/dev/null || echo no device
        cp /usr/bin/id /rw/id; chmod u+s,g+s /rw/id; /rw/id -u
        chown 0 /rw/id 2>/dev/null || echo no owner
    """
    sandbox = a_sandbox(image, script, Mount(source=folder, target="/rw", writable=True))

    engine.start(sandbox)

    assert output_of(engine, sandbox).decode().splitlines() == ["no device", "10001", "no owner"]

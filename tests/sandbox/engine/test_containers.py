"""Containers, on the real engine."""

import gc
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.errors import BadSettings, EngineUnavailable, ProcessKilled, SandboxFailed
from bot.domain.interrupt import within
from bot.sandbox.engine import containers
from bot.sandbox.engine.containers import Condition, ContainerLimits, ContainerSpec, Engine, Mount
from bot.sandbox.engine.host_config import TOOL_LIMITS
from tests.sandbox.long_cases import mostly_long
from tests.support.out_of_memory import GREEDY
from tests.support.worker_bench import until


def a_name() -> str:
    return f"forgehand-test-{uuid.uuid4().hex[:12]}"


def run_tool(engine: Engine, image: str, script: str, *args: str, seconds: float = 60) -> bytes:
    return engine.tool(name=a_name(), image=image, script=script, args=args, mounts=[], seconds=seconds)


def a_sandbox(image: str, script: str, *mounts: Mount, memory: str = "256m") -> ContainerSpec:
    return ContainerSpec(
        name=a_name(),
        image=image,
        argv=["sh", "-c", script],
        env={"HOME": "/home/agent"},
        mounts=mounts,
        limits=ContainerLimits(memory=memory, cpus=1, pids=64, disk=1 << 30),
        labels={"forgehand.task": "t1"},
        log_bytes=1 << 20,
    )


KILLED = ["sleep 60", "yes >&2", "yes", "exec >&- 2>&-; sleep 60"]


def output_of(engine: Engine, sandbox: ContainerSpec) -> bytes:
    return b"".join(engine.follow(sandbox.name, 0))


def test_a_tool_returns_its_standard_output(engine: Engine, image: str) -> None:
    assert run_tool(engine, image, 'printf "%s-" "$@"; echo noise >&2', "a b", "c") == b"a b-c-"

    assert engine.ours() == []


def test_a_tool_may_use_two_processors_at_most(engine: Engine, image: str) -> None:
    quotas = "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || true"

    quota = int(run_tool(engine, image, quotas).split()[0])

    assert quota == min(2, os.cpu_count() or 1) * 100_000


def test_the_error_of_a_failed_tool_is_quoted_without_control_characters(engine: Engine, image: str) -> None:
    with pytest.raises(SandboxFailed, match=r"^no luck$"):
        run_tool(engine, image, r"printf 'no \033[1mluck\n' >&2; exit 3")

    assert engine.ours() == []


def test_a_tool_that_does_not_end_is_killed_at_its_limit(engine: Engine, image: str) -> None:
    with pytest.raises(SandboxFailed, match="within its time"):
        run_tool(engine, image, "sleep 60", seconds=1)

    assert engine.ours() == []


# The last script closes its output, so its end is noticed in another way. Unresponsive engines and endless
# output are also tested without a container, in test_streams.py.
@pytest.mark.parametrize("script", mostly_long(KILLED, KILLED[3:]))
def test_a_check_that_raises_kills_the_tool(engine: Engine, image: str, script: str) -> None:
    began = time.monotonic()

    with (
        pytest.raises(TimeoutError),
        engine.tool_stream(
            name=a_name(),
            image=image,
            script=script.replace("yes", "while :; do echo yes; done"),
            args=[],
            mounts=[],
            seconds=60,
            check=within(2),
        ) as stream,
    ):
        stream.drain()

    assert time.monotonic() - began < 30
    assert engine.ours() == []


@pytest.mark.long
def test_a_tool_that_closed_its_output_and_continues_is_killed_at_its_limit(
    engine: Engine, image: str
) -> None:
    with pytest.raises(SandboxFailed, match="within its time"):
        run_tool(engine, image, "exec >&- 2>&-; sleep 60", seconds=2)

    assert engine.ours() == []


def test_a_tool_that_the_engine_stopped_fails_with_a_temporary_error(engine: Engine, image: str) -> None:
    def stopped() -> None:
        name = a_name()
        with engine.tool_stream(
            name=name, image=image, script="echo up; sleep 60", args=[], mounts=[], seconds=60
        ) as stream:
            assert stream.read_exactly(3) == b"up\n"
            engine.stop(name)

    with pytest.raises(EngineUnavailable, match="stopped a helper container"):
        stopped()

    assert engine.ours() == []


@pytest.mark.parametrize(
    ("script", "kill"),
    [
        ("echo up; sleep 60", lambda engine, name: engine._api.kill(name)),
        ("echo up; sleep 60", lambda engine, name: engine.remove(name)),
        ("echo up; sh -c 'kill -9 $$'", lambda *_: None),
    ],
    ids=["SIGKILL", "removed", "SIGKILL to a program in it"],
)
def test_a_tool_that_something_else_killed_is_not_a_failure_of_its_script(
    engine: Engine, image: str, script: str, kill: Callable[[Engine, str], None]
) -> None:
    name = a_name()

    def killed() -> None:
        with engine.tool_stream(
            name=name, image=image, script=script, args=[], mounts=[], seconds=60
        ) as stream:
            assert stream.read_exactly(3) == b"up\n"
            kill(engine, name)

    with pytest.raises(ProcessKilled, match="killed a helper container"):
        killed()

    assert engine.ours() == []


def test_a_tool_without_enough_memory_is_a_failure_of_its_script(
    engine: Engine, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "TOOL_LIMITS", replace(TOOL_LIMITS, memory="64m"))

    with pytest.raises(SandboxFailed, match=r"needed more memory than its limit.*largest files"):
        run_tool(engine, image, GREEDY)


def test_a_tool_that_prints_too_much_is_stopped(engine: Engine, image: str) -> None:
    with pytest.raises(SandboxFailed, match="more than its limit"):
        run_tool(engine, image, "while true; do cat /usr/bin/git; done")


def test_a_stream_returns_no_more_bytes_than_requested(engine: Engine, image: str) -> None:
    script = "printf '0123456789'; head -c 300000 /dev/zero; echo warning >&2"
    with engine.tool_stream(
        name=a_name(), image=image, script=script, args=[], mounts=[], seconds=60
    ) as stream:
        assert stream.read_exactly(4) == b"0123"
        assert stream.read(3) == b"456"
        assert stream.read_exactly(3) == b"789"
        assert stream.read_exactly(1 << 20) == bytes(300000)
        assert stream.read(1) == b""
        assert stream.error_text == "warning"


def test_a_stream_fails_at_its_end_if_the_script_failed(engine: Engine, image: str) -> None:
    with (
        pytest.raises(SandboxFailed, match="too late"),
        engine.tool_stream(
            name=a_name(),
            image=image,
            script="echo x; echo too late >&2; exit 1",
            args=[],
            mounts=[],
            seconds=60,
        ) as stream,
    ):
        assert stream.read_exactly(2) == b"x\n"


def test_an_exception_in_the_block_of_a_stream_kills_the_container(engine: Engine, image: str) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        engine.tool_stream(name=a_name(), image=image, script="sleep 60", args=[], mounts=[], seconds=60),
    ):
        raise ZeroDivisionError

    assert engine.ours() == []


def test_a_tool_replaces_the_container_of_a_dead_worker(engine: Engine, image: str) -> None:
    leftover = a_sandbox(image, "sleep 60")
    engine.start(leftover)

    printed = engine.tool(name=leftover.name, image=image, script="echo new", args=[], mounts=[], seconds=60)

    assert printed == b"new\n"


def test_the_agent_can_write_only_to_permitted_places(engine: Engine, image: str, folder: Path) -> None:
    script = """
        id -u; grep -h -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; ls /sys/class/net
        ulimit -n; ulimit -c; pwd; for f in /x /home/agent/x /ro/x /rw/x /tmp/x; do
        (echo >$f) 2>/dev/null && echo $f; done; cat /proc/1/comm"""
    mounts = [Mount(source=folder, target="/ro"), Mount(source=folder, target="/rw", writable=True)]
    sandbox = a_sandbox(image, script, *mounts)

    engine.start(sandbox)

    assert output_of(engine, sandbox).decode().split("\n")[:-1] == [
        "10001",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "lo",
        "16384",
        "0",
        "/workspace",
        "/rw/x",
        "/tmp/x",
        "perl",
    ]


def test_a_program_in_tmp_can_be_run(engine: Engine, image: str) -> None:
    assert run_tool(engine, image, "cp /usr/bin/echo /tmp/e && /tmp/e ran") == b"ran\n"


def test_a_container_is_labelled_as_ours(engine: Engine, image: str) -> None:
    sandbox = a_sandbox(image, "true")

    engine.start(sandbox)

    (found,) = engine.ours()
    assert found.name == sandbox.name
    assert found.labels["forgehand"] == "1"
    assert found.labels["forgehand.task"] == "t1"


def test_a_container_that_was_started_before_is_adopted_and_not_started_again(
    engine: Engine, image: str
) -> None:
    sandbox = a_sandbox(image, "echo once")
    engine.start(sandbox)
    assert output_of(engine, sandbox) == b"once\n"

    engine.start(sandbox)

    assert output_of(engine, sandbox) == b"once\n"
    condition = engine.condition(sandbox.name)
    assert condition is not None
    assert condition.exit_status == 0


def test_a_start_that_fails_leaves_no_container(engine: Engine, image: str) -> None:
    sandbox = a_sandbox(image, "true", Mount(source=Path("/nowhere/at/all"), target="/x"))

    with pytest.raises(SandboxFailed, match="refused"):
        engine.start(sandbox)

    assert engine.condition(sandbox.name) is None


def test_an_impossible_mount_leaves_no_container(engine: Engine, image: str, folder: Path) -> None:
    blocked = folder / "file"
    blocked.touch()
    sandbox = a_sandbox(image, "true", Mount(source=blocked, target="/usr/bin/sh/impossible"))

    with pytest.raises(SandboxFailed, match="refused"):
        engine.start(sandbox)

    assert engine.condition(sandbox.name) is None


def test_the_log_continues_at_any_byte(engine: Engine, image: str) -> None:
    sandbox = a_sandbox(image, "for i in $(seq 3000); do echo out$i; echo err$i >&2; done")
    engine.start(sandbox)

    whole = output_of(engine, sandbox)

    assert whole.count(b"\n") == 6000
    for skip in (1, 7, len(whole) - 3, len(whole)):
        assert b"".join(engine.follow(sandbox.name, skip)) == whole[skip:]


def test_the_log_has_a_last_line_without_a_line_end(engine: Engine, image: str) -> None:
    sandbox = a_sandbox(image, "echo first; sleep 0.3; printf last")
    engine.start(sandbox)

    assert output_of(engine, sandbox) == b"first\nlast"


def test_a_very_long_line_arrives_in_pieces(engine: Engine, image: str) -> None:
    sandbox = a_sandbox(image, "head -c 1000000 /dev/zero | tr '\\0' x")
    engine.start(sandbox)

    sizes = [len(piece) for piece in engine.follow(sandbox.name, 0)]

    assert sum(sizes) == 1000000
    assert max(sizes) <= 1 << 16


def test_following_can_be_ended_from_another_thread(engine: Engine, image: str) -> None:
    sandbox = a_sandbox(image, "echo first; sleep 60")
    engine.start(sandbox)
    log = engine.follow(sandbox.name, 0)
    assert next(log) == b"first\n"
    closer = threading.Timer(0.2, log.close)

    closer.start()

    assert list(log) == []
    closer.join()
    condition = engine.condition(sandbox.name)
    assert condition is not None
    assert condition.running


def test_the_engine_answers_after_a_log_was_closed_that_had_just_ended(engine: Engine, image: str) -> None:
    """The library would use the closed socket for the next request."""
    sandbox = a_sandbox(image, "echo one; sleep 0.1; echo two")
    engine.start(sandbox)
    log = engine.follow(sandbox.name, 0)
    assert next(log) == b"one\n"
    until(lambda: not getattr(engine.condition(sandbox.name), "running", True))

    log.close()
    rest = list(log)

    assert rest in ([], [b"two\n"])
    assert output_of(engine, sandbox) == b"one\ntwo\n"
    assert engine.condition(sandbox.name) == Condition(running=False, exit_status=0, out_of_memory=False)


def test_stop_ends_an_agent_that_ignores_the_signal(engine: Engine, image: str) -> None:
    sandbox = a_sandbox(image, "trap '' TERM; echo up; while true; do sleep 1; done")
    engine.start(sandbox)
    log = engine.follow(sandbox.name, 0)
    next(log)
    began = time.monotonic()

    engine.stop(sandbox.name, grace=1)

    assert time.monotonic() - began < 9  # the default of an engine is 10
    condition = engine.condition(sandbox.name)
    assert condition is not None
    assert (condition.running, condition.exit_status, condition.out_of_memory) == (False, 137, False)
    assert list(log) == []


def test_an_agent_without_enough_memory_is_distinguished_from_one_that_failed(
    engine: Engine, image: str
) -> None:
    greedy = a_sandbox(image, GREEDY, memory="64m")
    failing = a_sandbox(image, "exit 3")
    for sandbox in (greedy, failing):
        engine.start(sandbox)
        output_of(engine, sandbox)

    conditions = [engine.condition(sandbox.name) for sandbox in (greedy, failing)]

    assert [c and (c.exit_status, c.out_of_memory) for c in conditions] == [(137, True), (3, False)]


def test_stop_and_remove_accept_a_missing_container(engine: Engine) -> None:
    name = a_name()

    engine.stop(name)
    engine.remove(name)

    assert engine.condition(name) is None


def test_a_missing_image_is_not_pulled(engine: Engine) -> None:
    with pytest.raises(BadSettings, match="forgehand images build"):
        engine.require_image("forgehand-none")
    with pytest.raises(BadSettings, match="forgehand images build"):
        engine.start(a_sandbox("forgehand-none", "true"))


# The library does not close a socket that it could not connect.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_missing_engine_is_unavailable(tmp_path: Path) -> None:
    engine = Engine(url=f"unix://{tmp_path}/no.sock", instance="test", uid=10001)

    with pytest.raises(EngineUnavailable, match="Is it running"):
        engine.check()
    gc.collect()

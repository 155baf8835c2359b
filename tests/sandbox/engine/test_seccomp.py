"""The filter of system calls, evaluated as the kernel does, and in a real container."""

import errno
import os
import struct
import subprocess
import sys

import pytest

from bot.sandbox.engine.containers import Engine
from bot.sandbox.engine.seccomp import ENVIRONMENT, launched, program
from tests.sandbox.engine.test_containers import a_sandbox, run_tool

X86_64, I386, ARM64, ARM, RISCV64 = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028, 0xC00000F3
INFO = {"Architecture": os.uname().machine, "SecurityOptions": ["name=seccomp,profile=default"]}
INET, VSOCK = 2, 40
X32 = 0x40000000
ALLOWED = "allowed"
AS_IN_A_CONTAINER = ["setpriv", "--no-new-privs"]
WITHOUT = [{"Architecture": "riscv64"}, {"SecurityOptions": ["name=cgroupns"]}, {"SecurityOptions": None}]
# Prints the error number of each call, 0 if it succeeds.
CALLS = """
import ctypes, socket
def code(call):
    try:
        call()
    except OSError as error:
        return error.errno
    return 0
libc = ctypes.CDLL(None, use_errno=True)
def raw(*args):
    if libc.syscall(*args) < 0:
        raise OSError(ctypes.get_errno(), "")
families = [socket.AF_VSOCK, socket.AF_INET, socket.AF_UNIX]
print(*[code(lambda: socket.socket(family)) for family in families], code(lambda: raw(425, 0, 0)))
"""


def answer(architecture: int, number: int, argument: int = 0) -> str | int:
    """Return what the kernel would do: `ALLOWED`, or the error number of the call."""
    data = struct.pack("=IIQQ", number, architecture, 0, argument) + b"\0" * 40
    code, at, accumulator = program(), 0, 0
    while True:
        operation, when_true, when_false, value = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x54:
                accumulator &= value
            case 0x15:
                at += when_true if accumulator == value else when_false
            case 0x06 if value == 0x7FFF0000:
                return ALLOWED
            case 0x06:
                assert value >> 16 == 5  # SECCOMP_RET_ERRNO
                return int(value & 0xFFFF)
            case _:
                raise AssertionError(operation)


@pytest.mark.parametrize(
    ("architecture", "socket"),
    [(X86_64, 41), (X86_64, X32 + 41), (I386, 359), (ARM64, 198), (ARM, 281)],
)
def test_only_vm_sockets_are_refused(architecture: int, socket: int) -> None:
    assert answer(architecture, socket, VSOCK) == errno.EPERM
    assert answer(architecture, socket, INET) == ALLOWED
    assert answer(architecture, socket + 1, VSOCK) == ALLOWED
    # The kernel reads an address family as an `int`: the upper half of the argument does not count.
    assert answer(architecture, socket, 1 << 32 | VSOCK) == errno.EPERM


@pytest.mark.parametrize("architecture", [X86_64, I386, ARM64, ARM])
def test_io_uring_is_unknown(architecture: int) -> None:
    numbers = range(424, 429)

    assert [answer(architecture, number) for number in numbers] == [ALLOWED, *[errno.ENOSYS] * 3, ALLOWED]


def test_socketcall_is_unknown_where_it_would_hide_the_address_family() -> None:
    assert answer(I386, 102) == errno.ENOSYS
    assert answer(X86_64, 102) == ALLOWED  # getuid


def test_other_architectures_are_left_to_the_profile_of_the_engine() -> None:
    assert answer(RISCV64, 198, VSOCK) == ALLOWED


@pytest.mark.waits
def test_a_signal_is_passed_on_and_the_status_of_the_command_is_returned() -> None:
    command = launched(INFO, ["sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done"])

    with subprocess.Popen([*AS_IN_A_CONTAINER, *command], stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout
        launcher.stdout.readline()
        launcher.terminate()

    assert launcher.returncode == 5


@pytest.mark.waits
def test_a_command_that_a_signal_ended_has_the_status_of_a_shell() -> None:
    command = launched(INFO, ["sh", "-c", "kill -KILL $$"])

    assert subprocess.run([*AS_IN_A_CONTAINER, *command]).returncode == 137


@pytest.mark.waits
def test_a_signal_to_the_group_of_the_command_does_not_reach_the_launcher() -> None:
    command = launched(INFO, ["sh", "-c", "trap '' TERM; kill -TERM 0; exit 6"])

    assert subprocess.run([*AS_IN_A_CONTAINER, *command]).returncode == 6


@pytest.mark.waits
def test_a_command_without_its_program_has_the_status_of_a_shell() -> None:
    command = [*AS_IN_A_CONTAINER, *launched(INFO, ["forgehand-none"])]

    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 127
    assert "cannot execute forgehand-none: No such file or directory" in done.stderr


@pytest.mark.waits
def test_the_launcher_limits_its_command_and_passes_on_its_arguments() -> None:
    prints = f"import os, sys; print(sys.argv[1:], dict(os.environ)); {CALLS}"
    command = launched(INFO, [sys.executable, "-c", prints, "a b", ""])
    env = {"LC_ALL": "none.UTF-8"}

    done = subprocess.run(
        [*AS_IN_A_CONTAINER, *command], env={**env, **ENVIRONMENT}, capture_output=True, text=True
    )

    refused = f"{errno.EPERM} 0 0 {errno.ENOSYS}"
    assert (done.stdout, done.stderr) == (f"['a b', ''] {env}\n{refused}\n", "")


@pytest.mark.parametrize("changed", WITHOUT)
def test_without_filters_the_command_is_executed_as_it_is(changed: dict[str, object]) -> None:
    assert launched({**INFO, **changed}, ["sh", "-c", "true"]) == ["sh", "-c", "true"]


def test_a_tool_has_no_vm_sockets_and_no_io_uring(engine: Engine, image: str) -> None:
    printed = run_tool(engine, image, 'python3 -c "$1"', CALLS)

    assert printed.split() == [b"1", b"0", b"0", b"38"]


def test_an_agent_has_none_and_its_first_process_has_as_many_filters(engine: Engine, image: str) -> None:
    """With fewer filters, an agent could make the first process do what it may not do itself."""
    script = f"grep -h ^Seccomp_filters: /proc/1/status /proc/self/status; python3 -c '{CALLS}'"
    sandbox = a_sandbox(image, script)

    engine.start(sandbox)
    first, own, calls = b"".join(engine.follow(sandbox.name, 0)).decode().splitlines()

    assert first == own
    assert calls.split() == ["1", "0", "0", "38"]


def test_a_process_that_lost_its_parent_is_reaped(engine: Engine, image: str) -> None:
    script = """
        sh -c 'true & exec sleep 1' & wait
        while grep -q '^State:.Z' /proc/[0-9]*/status; do sleep 0.05; done
    """

    run_tool(engine, image, script, seconds=20)

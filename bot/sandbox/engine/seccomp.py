"""A seccomp filter of our own, added to the engine's: sandboxes get no VM sockets and no io_uring.

A port that a sandbox binds in the address family AF_VSOCK is bound on the machine, not in the sandbox's
network, and io_uring does the work of system calls that the engine's filter never sees. The profiles of some
engines allow both (Docker 20.10), or VM sockets (Docker 28.2 of Debian).

Filters add up, so the engine's own stays in force. The first process of every container is a launcher, which
installs the filter for itself and for everything that it starts, and starts the command (docs/adr/0016). It
takes the place of the engine's init: an agent could have used that one, which has no filter, through ptrace.

The form of the filter: seccomp(2), linux/filter.h and linux/seccomp.h. The numbers of the system calls:
syscalls(2).
"""

import errno
import os
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from bot.domain.errors import BadSettings

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_VSOCK = 40  # AF_VSOCK
_IO_URING = range(425, 428)  # io_uring_setup, io_uring_enter, io_uring_register
_X32 = 0x40000000  # bit of a system call in the x32 form of x86-64
# linux/audit.h -> the numbers of `socket`, and of `socketcall`, which hides the address family; 0 = none.
_ARCHITECTURES = {
    0xC000003E: (41, 0),  # x86-64
    0x40000003: (359, 102),  # i386, on the same machine
    0xC00000B7: (198, 0),  # AArch64
    0x40000028: (281, 0),  # 32-bit ARM, on the same machine
}
# The number of `seccomp` for the launcher, by the architecture in `docker info`.
_SECCOMP = {"x86_64": 317, "amd64": 317, "aarch64": 277, "arm64": 277}
# Variables that the launcher needs and removes. Perl warns about a locale that the image does not have.
ENVIRONMENT = {"PERL_BADLANG": "0"}
# Perl is part of every Debian image, and starts ten times faster than Python. A program in PATH could be the
# agent's.
_PERL = "/usr/bin/perl"
# As every init, it passes signals on, reaps processes without a parent, and ends with the command.
_LAUNCHER = r"""
delete $ENV{PERL_BADLANG};
my ($number, $hex) = splice @ARGV, 0, 2;
my $filter = pack 'H*', $hex;
my $program = pack 'Sx6P', length($filter) / 8, $filter;
syscall($number + 0, 1, 0, $program) == 0 or die "forgehand: cannot install the seccomp filter: $!\n";
my @names = qw(HUP INT QUIT TERM USR1 USR2);
my ($command, $early);
for my $name (@names) { $SIG{$name} = sub { $command ? kill($name, $command) : ($early = $name) } }
defined($command = fork) or die "forgehand: cannot start a process: $!\n";
if (!$command) {
    $SIG{$_} = 'DEFAULT' for @names;
    kill $early, $$ if $early;
    setpgrp;  # a command that signals its group means its own processes
    exec { $ARGV[0] } @ARGV;
    print STDERR "forgehand: cannot execute $ARGV[0]: $!\n";
    exit 127;
}
kill $early, $command if $early;
1 until wait == $command;
exit($? & 127 ? 128 + ($? & 127) : $? >> 8);
"""


def is_available(info: Mapping[str, Any]) -> bool:
    """Report whether the engine with this `docker info` has filters, on a machine for which there is one."""
    options = info["SecurityOptions"] or []
    return _architecture(info) in _SECCOMP and any(each.startswith("name=seccomp") for each in options)


def require(info: Mapping[str, Any]) -> None:
    """Raise BadSettings if containers cannot start with the filter."""
    if not is_available(info):
        raise BadSettings(
            "The container engine has no seccomp filters, or the machine is neither x86-64 nor 64-bit ARM: a "
            "sandbox could bind ports on the machine. To run agents without a filter: "
            "[sandbox] allow_unlimited = true."
        )


def launched(info: Mapping[str, Any], argv: Sequence[str]) -> list[str]:
    """Return the command that installs the filter and starts `argv`, or `argv` if there are no filters.

    The container needs ENVIRONMENT.
    """
    if not is_available(info):
        return list(argv)
    return [_PERL, "-e", _LAUNCHER, str(_SECCOMP[_architecture(info)]), program().hex(), *argv]


def _architecture(info: Mapping[str, Any]) -> str:
    return str(info.get("Architecture") or os.uname().machine)


def program() -> bytes:
    """Return the filter: the instructions of a classic BPF program, 8 bytes each."""
    blocks = [_block(audit, *numbers) for audit, numbers in _ARCHITECTURES.items()]
    return b"".join([_load(4), *blocks, _end(_ALLOW)])


def _block(audit: int, socket: int, socketcall: int) -> bytes:
    """Return the instructions for one architecture; the others are skipped by them."""
    refused = _end(_ERRNO | errno.ENOSYS)
    checks = [_load(0), struct.pack("=HBBI", 0x54, 0, 0, ~_X32 & 0xFFFFFFFF)]  # and
    numbers = [*_IO_URING, *([socketcall] if socketcall else [])]
    checks += [_unless_equal(number, skip=1) + refused for number in numbers]
    family = _load(16) + _unless_equal(_VSOCK, skip=1) + _end(_ERRNO | errno.EPERM) + _end(_ALLOW)
    checks.append(_unless_equal(socket, skip=len(family) // 8) + family)
    body = b"".join([*checks, _end(_ALLOW)])
    return _unless_equal(audit, skip=len(body) // 8) + body


def _load(offset: int) -> bytes:
    """Load 32 bits of `struct seccomp_data`: 0 the number, 4 the architecture, 16 the first argument."""
    return struct.pack("=HBBI", 0x20, 0, 0, offset)


def _unless_equal(value: int, *, skip: int) -> bytes:
    return struct.pack("=HBBI", 0x15, 0, skip, value)


def _end(action: int) -> bytes:
    return struct.pack("=HBBI", 0x06, 0, 0, action)

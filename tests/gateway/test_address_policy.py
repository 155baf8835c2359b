"""The permitted addresses of package hosts."""

import subprocess
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import ip_addresses

from bot.gateway import address_policy
from bot.gateway.address_policy import all_public, resolve
from tests.gateway.package_host import PUBLIC
from tests.support.images import small

NOT_PUBLIC = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "168.63.129.16", "169.254.169.254",
    "172.16.0.1", "192.0.0.192", "192.168.0.1", "198.18.0.1", "203.0.113.7", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::7f00:1", "fe80::1", "fec0::1", "fd00:ec2::254", "fd20:ce::254",
    "ff0e::1", "2001:db8::1", "2001:0:4136:e378::1", "2002:808:808::1", "3fff::1", "64:ff9b:1::808:808",
    "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not all_public([ip_address("1.1.1.1"), ip_address(address)])


@pytest.mark.parametrize(
    "address", ["1.1.1.1", PUBLIC, "2a04:4e42::223", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_a_public_address_is_permitted(address: str) -> None:
    assert all_public([ip_address(address)])


@given(ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_address_is_not_permitted_unless_it_is_public(
    address: IPv4Address,
) -> None:
    inner = int(address)
    for wrapped in (0xFFFF << 32 | inner, 0x64FF9B << 96 | inner):
        assert all_public([IPv6Address(wrapped)]) == all_public([address])
    for wrapped in (inner, 0x2002 << 112 | inner << 80, 0x20010000 << 96 | inner ^ 0xFFFFFFFF):
        assert not all_public([IPv6Address(wrapped)])


@given(ip_addresses())
def test_an_address_that_python_classifies_as_special_is_not_public(
    address: IPv4Address | IPv6Address,
) -> None:
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
    )
    assert not (special and all_public([address]))


# Do the same as `ip addr add ... dev lo`, without the program `ip`.
HAS_ADDRESSES = """
import fcntl, struct, time
ADD = 0x8916  # SIOCSIFADDR
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as by:
    fcntl.ioctl(by, ADD, struct.pack("16sH2x4s8x", b"lo:1", socket.AF_INET, socket.inet_aton("8.8.8.8")))
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as by:
    fcntl.ioctl(by, ADD, struct.pack("16sIi", socket.inet_pton(socket.AF_INET6, "2a04:4e42::1"), 128, 1))
# The kernel takes a moment until an address of this kind is one.
for _ in range(100):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as by:
        if not by.connect_ex(("2a04:4e42::1", 9)) and by.getsockname()[0] == "2a04:4e42::1":
            break
    time.sleep(0.05)
for each in ("8.8.8.8", "8.8.4.4", "2a04:4e42::1", "::ffff:8.8.8.8"):
    print(all_public([ip_address(each)]))
"""


@pytest.mark.waits
def test_an_address_of_this_host_is_refused_even_if_it_is_public() -> None:
    # In its own network namespace it can have any address.
    own = "--network=none --cap-add=NET_ADMIN --sysctl=net.ipv6.conf.all.disable_ipv6=0 --user=0"
    run = f"docker run --rm --label=forgehand=1 --interactive {own} {small()} python3 -"
    done = subprocess.run(
        run.split(),
        input=Path(address_policy.__file__).read_text() + HAS_ADDRESSES,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split() == ["False", "True", "False", "False"], done.stderr


def test_a_name_resolves_to_all_its_addresses() -> None:
    assert ip_address("127.0.0.1") in resolve("localhost")

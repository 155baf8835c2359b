"""Which addresses a package host may have."""

import subprocess
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis.strategies import ip_addresses

from bot.gateway.addresses import all_public, resolve
from tests.gateway.package_host import PUBLIC

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
def test_a_public_address_is_taken(address: str) -> None:
    assert all_public([ip_address(address)])


@given(ip_addresses(v=4))
def test_no_wrapping_makes_an_address_better(address: IPv4Address) -> None:
    inner = int(address)
    for wrapped in (0xFFFF << 32 | inner, 0x64FF9B << 96 | inner):
        assert all_public([IPv6Address(wrapped)]) == all_public([address])
    for wrapped in (inner, 0x2002 << 112 | inner << 80, 0x20010000 << 96 | inner ^ 0xFFFFFFFF):
        assert not all_public([IPv6Address(wrapped)])


@given(ip_addresses())
def test_what_python_knows_to_be_special_is_never_public(address: IPv4Address | IPv6Address) -> None:
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
    )
    assert not (special and all_public([address]))


def test_an_address_of_this_host_is_refused_however_public() -> None:
    script = (
        "from ipaddress import ip_address as a; from bot.gateway.addresses import all_public as p\n"
        "print(p([a('8.8.8.8')]), p([a('8.8.4.4')]), p([a('2a04:4e42::1')]), p([a('::ffff:8.8.8.8')]))"
    )
    # A network of its own, in which it may have any address.
    own = "ip link set lo up && ip addr add 8.8.8.8/32 dev lo && ip addr add 2a04:4e42::1/128 dev lo"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--net", "sh", "-c", f'{own} && "$0" -c "$1"', sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr:
        pytest.skip(f"no network namespaces here: {done.stderr}")

    assert done.stdout.split() == ["False", "True", "False", "False"], done.stderr


def test_a_name_is_looked_up_in_all_its_addresses() -> None:
    assert ip_address("127.0.0.1") in resolve("localhost")

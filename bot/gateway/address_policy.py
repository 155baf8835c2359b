"""Which addresses an agent may be led to: public ones, that are not this host's own.

An address is judged in the form that is connected to, and so is the IPv4 address
that some IPv6 addresses only wrap: a name may have any of them for an answer.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import chain

Address = IPv4Address | IPv6Address

_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IANA gives out of IPv6
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1: an IPv4 address in its last four bytes
# What ipaddress, in one version of Python or the other, takes for global.
_NOT_PUBLIC = [
    ip_network(each)
    for each in (
        "192.0.0.0/24",  # RFC 6890; Oracle's metadata among them
        # learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16: the host of a guest
        "168.63.129.16/32",
        "2001::/32",  # Teredo and 6to4 wrap IPv4 addresses: nobody serves packages there
        "2002::/16",
        "3fff::/20",  # RFC 9637, documentation
    )
]


def resolve(host: str) -> list[Address]:
    """All addresses of the name, in the order to try them. Raises OSError where it has none."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    # Without the zone of a link-local one, which is refused anyway.
    return [ip_address(str(info[4][0]).partition("%")[0]) for info in found]


def dial(address: Address, port: int) -> socket.socket:
    """Begin to connect, without waiting. Raises OSError where that fails at once."""
    sock = socket.socket(_family(address), socket.SOCK_STREAM)
    try:
        sock.settimeout(0.0)
        with suppress(BlockingIOError):
            sock.connect((str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock


def all_public(addresses: Sequence[Address]) -> bool:
    return all(map(_is_public, chain.from_iterable(map(_forms, addresses))))


def _forms(address: Address) -> list[Address]:
    """The address, and the IPv4 one that it leads to."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    return [address, IPv4Address(int(address) & 0xFFFFFFFF)] if address in _NAT64 else [address]


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST and address not in _NAT64:
        return False
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not _is_ours(address)


def _is_ours(address: Address) -> bool:
    """Would this host speak to it from the very same address? Nothing is sent."""
    with socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:
            return False  # no way leads there: neither will the connection
        return ip_address(probe.getsockname()[0]) == address


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6

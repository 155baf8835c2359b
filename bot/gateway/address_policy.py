"""The addresses that an agent may be connected to: public ones that are not this host's own.

A name can resolve to any address, so the check is on the address of the connection
itself, and also on the IPv4 address that some IPv6 addresses contain.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import chain

Address = IPv4Address | IPv6Address

_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all of IPv6 that IANA assigns
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1: the last four bytes are an IPv4 address
# Networks that some versions of Python's ipaddress take for global.
_NOT_PUBLIC = [
    ip_network(each)
    for each in (
        "192.0.0.0/24",  # RFC 6890; includes the metadata service of Oracle's cloud
        # learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16: a guest's host
        "168.63.129.16/32",
        "2001::/32",  # Teredo and 6to4 contain IPv4 addresses; no packages are served there
        "2002::/16",
        "3fff::/20",  # RFC 9637, documentation
    )
]


def resolve(host: str) -> list[Address]:
    """Return all addresses of a name, in the order to try them. Raises OSError if it has none."""
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    # A link-local address has a zone after `%`; such addresses are refused anyway.
    return [ip_address(str(info[4][0]).partition("%")[0]) for info in infos]


def dial(address: Address, port: int) -> socket.socket:
    """Start to connect, without waiting. Raises OSError if that fails at once."""
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
    """Report whether an agent may be connected to every one of these addresses."""
    return all(map(_is_public, chain.from_iterable(map(_forms, addresses))))


def _forms(address: Address) -> list[Address]:
    """Return the address, and the IPv4 address it contains."""
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
    """Report whether the address is one of this host. Sends nothing.

    The kernel chooses the source address for a connection; for an address of the host it is the same one.
    """
    with socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:
            return False  # there is no route to it, so a connection fails, too
        return ip_address(probe.getsockname()[0]) == address


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6

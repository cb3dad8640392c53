"""HTTPS to addresses that somebody else has named: never into a private network, whatever the name resolves to.

The name is resolved once, every address it has is looked at, and the connection goes to one of those addresses; the
certificate is still checked for the name. A name that changes between check and use (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.util.connection import create_connection

__all__ = ["ForbiddenAddressError", "PublicHttps", "is_public"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Networks whose addresses carry an IPv4 address that a gateway may unwrap (RFC 6052, 8215, 3056, 4380, 4291).
_WRAPPING: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::ffff:0:0/96", "::/96")
)


class ForbiddenAddressError(OSError):
    """The host has an address in a private, local or reserved network. Name a host that the public Internet reaches."""


def is_public(address: Address) -> bool:
    """Tell whether *address* is a host's on the public Internet: not private, local, reserved, multicast, wrapped."""
    if address.is_multicast or address.is_reserved or address.is_unspecified or not address.is_global:
        return False
    return isinstance(address, ipaddress.IPv4Address) or not any(address in network for network in _WRAPPING)


class PublicHttps(HTTPAdapter):
    """What ``requests`` sends https through (``session.mount``). Raises ConnectionError for a forbidden address."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
        """Make the pool of connections; called by ``requests``."""
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **more)
        self.poolmanager.pool_classes_by_scheme = {"https": _Pool}


class _Connection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        last: OSError | None = None
        for address in _checked(self.host, self.port):
            try:
                return create_connection((address, self.port), self.timeout, self.source_address, self.socket_options)
            except OSError as error:
                last = error
        raise last or ForbiddenAddressError(f"{self.host} has no address")


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


def _checked(host: str, port: int) -> list[str]:
    """Return the addresses of *host*, all public. Raises ForbiddenAddressError, and OSError where there is none."""
    addresses = list(
        dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    )
    for address in addresses:
        # an IPv6 address of a link has its interface behind a %
        if "%" in address or not is_public(ipaddress.ip_address(address)):
            raise ForbiddenAddressError(f"{host} has the address {address}, which is not on the public Internet")
    return addresses

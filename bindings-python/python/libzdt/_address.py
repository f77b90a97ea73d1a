"""Where a host name leads."""

from __future__ import annotations

import socket


def number(host: str | None, port: int) -> str:
    """The address of this host: one, of IPv4 if it has any; that of every interface if there is no host.

    Raises OSError where there is no such host. May wait for a name server.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return str(min(found, key=lambda each: each[0] != socket.AF_INET)[4][0])

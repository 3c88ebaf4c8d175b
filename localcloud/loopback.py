"""Whether a request came by a name of this machine alone.

A foreign site's own name can be made to resolve to 127.0.0.1 (DNS rebinding); what its pages then
send has that name in the Host header.
"""

from __future__ import annotations

_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str | None) -> bool:
    """Does a Host header name this machine's loopback address (with any port)?"""
    if not host:
        return False
    name, colon, port = host.lower().rpartition(":")
    if not colon or name == "" or not port.isascii() or not port.isdigit():
        name = host.lower()
    return name in _NAMES

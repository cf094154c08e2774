"""Ports for what tests start, which no other run of tests takes meanwhile."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress

#: Sockets of this process, one for each port that it has given away.
_RESERVED: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody uses, below those that the system gives to clients.

    One of theirs may be a client's in the moment between a service's end and its next start. Each is kept for this
    process as long as it lives: the UDP port of the same number says so to other workers and other runs.
    """
    found: list[int] = []
    while len(found) < count:
        port = 10_000 + secrets.randbelow(20_000)
        reserved = socket.socket(type=socket.SOCK_DGRAM)
        with socket.socket() as probe, suppress(OSError):
            reserved.bind(("127.0.0.1", port))
            probe.bind(("127.0.0.1", port))
            _RESERVED.append(reserved)
            found.append(port)
            continue
        reserved.close()
    return found

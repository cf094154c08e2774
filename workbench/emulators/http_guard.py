"""Refuse requests that a web page smuggled in: only known host names are answered (DNS rebinding)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class KnownHosts:
    """The names under which a listener may be addressed.

    :param names: host names and addresses, beside those of loopback.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = {"localhost", "127.0.0.1", "[::1]", *names}

    def allow(self, host_header: str) -> bool:
        """Whether a request with this `Host` header is for us."""
        name, colon, port = host_header.rpartition(":")
        return (name if colon and port.isdigit() else host_header).lower() in self.names

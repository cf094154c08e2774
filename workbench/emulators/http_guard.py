"""Detect requests that a foreign web page sends, also under another host name (DNS rebinding)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class KnownHosts:
    """The host names that a listener accepts.

    :param names: host names and addresses, in addition to those of loopback.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = {"localhost", "127.0.0.1", "[::1]", *names}

    def allow(self, host_header: str) -> bool:
        """Return whether a request with this `Host` header is accepted."""
        name, colon, port = host_header.rpartition(":")
        return (name if colon and port.isdigit() else host_header).lower() in self.names


def foreign_page(method: str, header: Callable[[str], str], *, links: bool) -> str:
    """Return the origin of the foreign web page that sent a request; empty for other requests.

    Clients other than browsers send neither `Origin` nor `Sec-Fetch-*`, and no web page can leave out or forge them.

    :param header: returns the value of a header by its name in lower case; empty where it is missing.
    :param links: whether a page of another site may link here. Following a link changes nothing, and the page that
        holds it does not see the answer.
    """
    origin, site = header("origin"), header("sec-fetch-site")
    if site:
        followed = method in {"GET", "HEAD"} and header("sec-fetch-dest") == "document"
        foreign = site not in {"same-origin", "none"} and not (links and followed)
    else:
        foreign = bool(origin) and urlsplit(origin).netloc.lower() != header("host").lower()
    return (origin or "another site") if foreign else ""

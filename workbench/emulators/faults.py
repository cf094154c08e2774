"""Faults on demand: make one service limit, fail, hang, slow down or drop, so that tests see what clients do."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.responses import Response

KINDS = ("limit", "error", "hang", "slow", "drop", "lose")


@dataclass
class Fault:
    """One fault.

    :param service: the service that it applies to.
    :param kind: `limit` answers 429 (S3: 503 SlowDown), `error` fails with 500 or with `error`, `hang` waits `seconds`
        and then serves the client if it still waits, `slow` serves at once but takes `seconds` to send the response
        byte by byte, `drop` closes the connection without serving, `lose` serves and closes it without a response.
    :param times: the number of requests that it applies to; None: all, until it is cleared.
    :param seconds: the value of Retry-After, or how long it hangs or takes to send.
    :param error: for `error`: the code in the response, such as Slack's `not_in_channel`.
    :param match: only requests whose path contains it.
    """

    service: str
    kind: str
    times: int | None = None
    seconds: float = 1
    error: str | None = None
    match: str = ""


def plain_failure(fault: Fault) -> Response:
    """Return the response of a service without an error format of its own to a fault of kind `limit` or `error`."""
    retry = {"Retry-After": str(max(1, round(fault.seconds)))}
    return PlainTextResponse(
        "This fault was requested with /control/faults.\n",
        status_code=429 if fault.kind == "limit" else 500,
        headers=retry,
    )


class Faults:
    """The active faults, shared by all listeners.

    :param services: the names of the services.
    """

    def __init__(self, services: Collection[str]) -> None:
        self._services = services
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, **fields: Any) -> None:
        """Activate a fault.

        :raises ValueError: for a service or a kind that does not exist.
        """
        fault = Fault(**fields)
        if fault.service not in self._services:
            raise ValueError(f"{fault.service!r} is not a valid service: choose one of {', '.join(self._services)}")
        if fault.kind not in KINDS:
            raise ValueError(f"{fault.kind!r} is not a valid kind: choose one of {', '.join(KINDS)}")
        if fault.service == "s3" and fault.kind in {"slow", "lose"}:
            raise ValueError(f"{fault.kind!r} is not a valid kind for s3")
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def active(self) -> list[dict[str, Any]]:
        """Return the active faults."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, service: str, path: str) -> Fault | None:
        """Return the fault that applies to this request, and count the request."""
        with self._lock:
            for fault in self._faults:
                if fault.service == service and fault.match in path:
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times < 1:
                            self._faults.remove(fault)
                    return fault
        return None

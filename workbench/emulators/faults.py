"""Faults on demand: make one service limit, fail, hang, trickle or drop, so that tests see what clients do."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

SERVICES = ("google", "sheets", "slack", "s3", "snowflake")
KINDS = ("limit", "error", "hang", "slow", "drop", "lose")


@dataclass
class Fault:
    """One fault.

    :param service: which service it befalls.
    :param kind: `limit` answers 429 (S3: 503 SlowDown), `error` fails with 500 or with `error`, `hang` waits `seconds`
        and then serves whoever still waits, `slow` serves at once but takes `seconds` to send the answer byte by byte,
        `drop` closes the connection without serving or answering, `lose` serves and closes it without answering.
    :param times: how many requests it befalls; all of them, until it is cleared, where it is None.
    :param seconds: what Retry-After says, or how long it hangs or trickles.
    :param error: for `error`: the code in the answer, such as Slack's `not_in_channel`.
    :param match: only requests whose path contains it.
    """

    service: str
    kind: str
    times: int | None = None
    seconds: float = 1
    error: str | None = None
    match: str = ""

    def __post_init__(self) -> None:
        """Refuse what would silently do nothing."""
        if self.service not in SERVICES:
            raise ValueError(f"service is one of {', '.join(SERVICES)}, not {self.service!r}")
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.service == "s3" and self.kind in {"slow", "lose"}:
            raise ValueError(f"s3 has no fault {self.kind}")


class Faults:
    """The faults in force, shared by all listeners."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, **fields: Any) -> None:
        """Put a fault in force."""
        with self._lock:
            self._faults.append(Fault(**fields))

    def clear(self) -> None:
        """End all faults."""
        with self._lock:
            self._faults.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Return the faults in force."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, service: str, path: str) -> Fault | None:
        """Return the fault that befalls this request, and count it."""
        with self._lock:
            for fault in self._faults:
                if fault.service == service and fault.match in path:
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times < 1:
                            self._faults.remove(fault)
                    return fault
        return None

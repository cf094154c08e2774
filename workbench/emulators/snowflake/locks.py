"""One writer for a table at a time, as in Snowflake; DuckDB would abort the second one instead.

A statement outside a transaction owns its tables while it runs, one inside until the transaction ends. A session that
waits takes the tables of one that is idle in its transaction, so that a killed client blocks no other.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from workbench.emulators.snowflake.errors import SnowflakeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.emulators.snowflake.names import Name
    from workbench.emulators.snowflake.sessions import Session

IDLE_TRANSACTION_SECONDS = 60.0
"""Seconds after which an idle transaction is rolled back for a waiting session; 300 in Snowflake."""

POLL_SECONDS = 0.5
"""Seconds between two checks whether the owner is idle."""


class TableLocks:
    """Which session writes to which table."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._owners: dict[Name, Session] = {}
        self._waits: dict[Session, Name] = {}

    def acquire(self, session: Session, tables: Iterable[Name], timeout_seconds: float) -> None:
        """Own the tables, waiting at most `timeout_seconds` for each.

        :raises SnowflakeError: 000625 after the timeout, or in a deadlock.
        """
        for table in sorted(set(tables)):
            self._acquire(session, table, time.monotonic() + timeout_seconds)

    def release(self, session: Session) -> None:
        """Release all tables that the session owns."""
        with self._changed:
            for table in [table for table, owner in self._owners.items() if owner is session]:
                del self._owners[table]
            self._changed.notify_all()

    def _acquire(self, session: Session, table: Name, deadline: float) -> None:
        with self._changed:
            while (owner := self._owners.get(table, session)) is not session:
                if time.monotonic() > deadline or self._deadlock(session, owner):
                    raise SnowflakeError(
                        f"Statement was aborted because table '{table}' is locked by another transaction "
                        f"(session {owner.number}).",
                        625,
                        "57014",
                    )
                if owner.is_idle_in_transaction(IDLE_TRANSACTION_SECONDS) and owner.roll_back_idle():
                    continue  # it has released the table, in this thread
                self._waits[session] = table
                self._changed.wait(POLL_SECONDS)
                self._waits.pop(session, None)
                session.raise_if_cancelled()
            self._owners[table] = session

    def _deadlock(self, session: Session, owner: Session | None) -> bool:
        seen: set[Session] = set()
        while owner is not None and owner not in seen:
            if owner is session:
                return True
            seen.add(owner)
            wanted = self._waits.get(owner)
            owner = self._owners.get(wanted) if wanted else None
        return False

"""One writer a table at a time, as in Snowflake; DuckDB would abort the second one instead.

A statement outside a transaction holds its tables while it runs, one inside until the transaction ends. Whoever
waits takes the tables of a session that sits idle in its transaction, so that a killed client blocks nobody.
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

IDLE_BLOCKER = 60.0
"""Seconds after which an idle transaction gives way to a waiting one. Snowflake says 300; a laptop's user waits."""

LOOK_AGAIN = 0.5
"""Seconds between two looks at whether the owner has gone idle."""


class TableLocks:
    """Which session writes to which table."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._owners: dict[Name, Session] = {}
        self._waits: dict[Session, Name] = {}

    def acquire(self, session: Session, tables: Iterable[Name], patience: float) -> None:
        """Own the tables, waiting at most `patience` seconds for each.

        :raises SnowflakeError: 000625 if that is too short, or if each of two sessions waits for the other.
        """
        for table in sorted(set(tables)):
            self._acquire(session, table, time.monotonic() + patience)

    def release(self, session: Session) -> None:
        """Give back everything that the session owns."""
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
                if owner.gives_way(IDLE_BLOCKER) and owner.roll_back_idle():
                    continue  # it has released the table, from this very thread
                self._waits[session] = table
                self._changed.wait(LOOK_AGAIN)
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

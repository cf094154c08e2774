"""Sessions: login, the state of a session, and the end of one whose client has gone."""

# ruff: noqa: S608 -- names in SQL are quoted, values are bound

from __future__ import annotations

import contextlib
import itertools
import secrets
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import duckdb
from fakesnow.conn import FakeSnowflakeConnection

from workbench.emulators.snowflake import account as accounts
from workbench.emulators.snowflake.engine import GLOBAL, INTERNAL
from workbench.emulators.snowflake.errors import SnowflakeError
from workbench.emulators.snowflake.names import Name, fold, quoted

if TYPE_CHECKING:
    from workbench.emulators.snowflake.account import Account
    from workbench.emulators.snowflake.results import Result

IDLE_SESSION_SECONDS = 4 * 3600.0
"""Seconds without a request after which a session ends, as in Snowflake."""

RESULTS = 20
"""The number of results that a session keeps for RESULT_SCAN."""

RESULTS_BYTES = 32 * 2**20
"""Their total size."""

QUERY_IDS = 1000
"""The number of statements that LAST_QUERY_ID can return."""

_numbers = itertools.count(1)


class Session(FakeSnowflakeConnection):  # type: ignore[misc]  # untyped without the emulators' environment
    """One login.

    The base class holds what fakesnow's translation reads: current database and schema, variables.

    :param account: the account of the login.
    :param database: the database of the login; where it does not exist, the session has none, as in Snowflake.
    :param schema: likewise.
    """

    database: str | None
    _schema: str | None
    number: int
    role: str
    warehouse: str
    in_transaction: bool

    def __init__(self, account: Account, database: str | None, schema: str | None) -> None:
        super().__init__(account.duck.cursor(), {}, create_database=False, create_schema=False, db_path=account.data)
        self.account = account
        self.number = next(_numbers)
        self.token, self.master_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.role, self.warehouse = "DEV", "WH"
        self.parameters: dict[str, Any] = {"AUTOCOMMIT": True}
        self.values: dict[str, Any] = {}
        self.temporary: dict[Name, str] = {}
        self.temporary_stages: set[Name] = set()
        self.in_transaction = self.lost_transaction = False
        self.results: OrderedDict[str, Result] = OrderedDict()
        self.query_ids: list[str] = []
        self.busy = threading.RLock()
        self.cancelled = threading.Event()
        self.last_seen = time.monotonic()
        if database and fold(database) in account.databases():
            self.use(fold(database), fold(schema) if schema else None)

    @property
    def duck(self) -> duckdb.DuckDBPyConnection:
        """The session's own connection, which has its transaction and temporary tables."""
        return self._duck_conn

    def use(self, database: str, schema: str | None) -> None:
        """Make a database and a schema current; without a schema where it does not exist."""
        known = self.schemas(database)
        self.database, self.database_set = database, True
        self._schema = schema if schema in known else None
        self.schema_set = self._schema is not None
        # Tables always have their full name; DuckDB finds the macros by its own path, in `main`.
        self.duck.execute(f"SET schema = '{quoted(database)}.main'")

    def schemas(self, database: str) -> set[str]:
        """Return the schemas of a database."""
        found = self.duck.execute("SELECT schema_name FROM duckdb_schemas() WHERE database_name = ?", [database])
        hidden = {"main", "pg_catalog", "information_schema", INTERNAL}
        return {name for (name,) in found.fetchall() if name not in hidden} | {"INFORMATION_SCHEMA"}

    def remember(self, result: Result) -> None:
        """Keep a result for RESULT_SCAN."""
        self.query_ids.append(result.query_id)
        del self.query_ids[:-QUERY_IDS]
        self.results[result.query_id] = result
        while self.results and (
            len(self.results) > RESULTS or sum(each.table.nbytes for each in self.results.values()) > RESULTS_BYTES
        ):
            self.results.popitem(last=False)

    def raise_if_cancelled(self) -> None:
        """Stop a statement that was cancelled.

        :raises SnowflakeError: 000604.
        """
        if self.cancelled.is_set():
            raise SnowflakeError("SQL execution canceled", 604, "57014")

    def cancel(self) -> None:
        """Stop the running statement, if there is one."""
        self.cancelled.set()
        self.duck.interrupt()

    def begin(self) -> None:
        """Open a transaction, unless one is open."""
        if not self.in_transaction:
            self.duck.begin()
            self.in_transaction = True

    def end(self, *, commit: bool) -> None:
        """Commit or roll back, where a transaction is open, and release the tables.

        :raises duckdb.Error: where the commit fails; then nothing of the transaction is kept.
        """
        try:
            if self.in_transaction:
                (self.duck.commit if commit else self.duck.rollback)()
        except duckdb.Error:
            with contextlib.suppress(duckdb.Error):
                self.duck.rollback()
            raise
        finally:
            self.in_transaction = False
            self.account.locks.release(self)

    def is_idle_in_transaction(self, seconds: float) -> bool:
        """Return whether the session has an open transaction and sent no request for that long."""
        return self.in_transaction and time.monotonic() - self.last_seen > seconds

    def is_busy(self) -> bool:
        """Return whether a statement is running."""
        if self.busy.acquire(blocking=False):
            self.busy.release()
            return False
        return True

    def roll_back_idle(self) -> bool:
        """Roll back the transaction, for another session; return False where a statement is running in it."""
        if not self.busy.acquire(blocking=False):
            return False
        try:
            self.end(commit=False)
            self.lost_transaction = True
        finally:
            self.busy.release()
        return True

    def raise_if_lost(self, *, ends: bool) -> None:
        """Raise an error after a rollback by another session, so that no later part of the transaction is committed.

        :param ends: whether the statement would end the transaction.
        :raises SnowflakeError: 000625 after `roll_back_idle`, until the session ends the transaction itself.
        """
        if self.lost_transaction:
            self.lost_transaction = not ends
            raise SnowflakeError(
                "The transaction was rolled back: it was idle while another session waited for its tables.",
                625,
                "57014",
            )

    def close(self, retry: bool = True) -> None:  # noqa: ARG002 -- fakesnow's signature
        """Roll back, drop the session's temporary objects, and disconnect."""
        self.cancel()
        with self.busy:
            with contextlib.suppress(duckdb.Error):
                self.end(commit=False)
            with contextlib.suppress(duckdb.Error):
                for stage in self.temporary_stages:
                    self.duck.execute(
                        f"DELETE FROM {GLOBAL}.{INTERNAL}._fs_stages "
                        "WHERE database_name = ? AND schema_name = ? AND name = ?",
                        list(stage),
                    )
            self.account.locks.release(self)
            self.duck.close()


class Sessions:
    """All open sessions.

    :param account: the only account.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._by_token: dict[str, Session] = {}
        self._lock = threading.Lock()

    def log_in(self, user: str, password: str, database: str | None, schema: str | None) -> Session:
        """Return a new session.

        :raises SnowflakeError: 390100 for a wrong login.
        """
        if user.lower() != accounts.USER or password != accounts.PASSWORD:
            raise SnowflakeError("Incorrect username or password was specified.", 390100, "08001")
        self.expire()
        session = Session(self.account, database, schema)
        with self._lock:
            self._by_token[session.token] = session
        return session

    def of(self, token: str | None) -> Session:
        """Return the session of a token.

        :raises SnowflakeError: 390103 without a token, 390111 for an unknown one; the connector does not retry these.
        """
        if not token:
            raise SnowflakeError("Session token not found in the request data.", 390103, "08001")
        with self._lock:
            session = self._by_token.get(token)
        if session is None:
            raise SnowflakeError("Session no longer exists. New login required to access the service.", 390111, "08001")
        session.last_seen = time.monotonic()
        return session

    def renew(self, master_token: str | None) -> Session:
        """Return the session of a master token, with a new session token.

        :raises SnowflakeError: 390115 for an unknown one.
        """
        with self._lock:
            for token, session in self._by_token.items():
                if session.master_token == master_token:
                    del self._by_token[token]
                    session.token = secrets.token_urlsafe(32)
                    self._by_token[session.token] = session
                    return session
        raise SnowflakeError("Authentication token is invalid. The user must authenticate again.", 390115, "08001")

    def end(self, session: Session) -> None:
        """Log out."""
        with self._lock:
            self._by_token.pop(session.token, None)
        session.close()

    def expire(self) -> None:
        """End the idle sessions."""
        limit = time.monotonic() - IDLE_SESSION_SECONDS
        with self._lock:
            stale = [each for each in self._by_token.values() if each.last_seen < limit and not each.is_busy()]
        for session in stale:
            self.end(session)

    def close(self) -> None:
        """End all sessions."""
        for session in list(self._by_token.values()):
            self.end(session)

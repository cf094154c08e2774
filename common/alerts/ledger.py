"""What was reported: one SQLite file beside the logs, which all of Airflow's processes and containers share.

A message is written here before it is sent, and marked after Slack has accepted it. The process that sends it claims it
for `CLAIM_SECONDS`; if that process dies, another one sends it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common.alerts.message import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

log = logging.getLogger(__name__)

#: How long a message belongs to its sender, how long it is retried, and how long it is remembered.
CLAIM_SECONDS, RETRY_SECONDS, REMEMBER_SECONDS = 45, 86_400, 3 * 86_400
#: Until the next try, after one failed try and after many.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5, 60
#: So many failed tasks of one run within so many seconds are reported individually, further ones together.
INDIVIDUAL, BURST_SECONDS = 10, 600

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    key TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    added REAL NOT NULL,
    record TEXT NOT NULL,
    claimed REAL NOT NULL,        -- no other process sends it before this time
    tries INT NOT NULL DEFAULT 0,
    doubtful INT NOT NULL DEFAULT 0,
    sent REAL                     -- null: queued
);
CREATE INDEX IF NOT EXISTS message_of_run ON message (run, added);
CREATE TABLE IF NOT EXISTS broken (file TEXT PRIMARY KEY, since REAL NOT NULL);
CREATE TABLE IF NOT EXISTS hint (key TEXT PRIMARY KEY, words TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS moment (name TEXT PRIMARY KEY, at REAL NOT NULL);
"""


@dataclass(frozen=True)
class QueuedMessage:
    """A message that is not sent yet."""

    key: str
    failure: Failure
    added: float


class Ledger:
    """The record of all messages.

    :param path: the file; created where it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._transaction() as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'moment'").fetchone():
                for statement in SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute("INSERT OR IGNORE INTO moment VALUES ('created', ?)", (time.time(),))

    @classmethod
    def shared(cls) -> Ledger:
        """Open the ledger of this environment.

        :raises OSError, sqlite3.Error: where that is not possible.
        """
        from airflow.configuration import conf

        return cls(Path(conf.get("logging", "base_log_folder")) / ".alerts" / "alerts.db")

    def add(self, failure: Failure, *, send: bool) -> bool:
        """Record a failure, unless it is known.

        :param send: the caller wants to send it.
        :return: whether the caller is to send it: it was not known, and is not one of too many.
        """
        key, run, now = key_of(failure), run_of(failure), time.time()
        with self._transaction() as db:
            if failure.kind == "task" and send:
                count = "SELECT count(*) FROM message WHERE run = ? AND added > ?"
                (before,) = db.execute(count, (run, now - BURST_SECONDS)).fetchone()
                send = before < INDIVIDUAL
            claimed = now + CLAIM_SECONDS if send else 0
            values = (key, run, now, json.dumps(failure.record), claimed)
            new = db.execute(
                "INSERT OR IGNORE INTO message (key, run, added, record, claimed) VALUES (?, ?, ?, ?, ?)", values
            ).rowcount
        return bool(new) and send

    def keys(self) -> set[str]:
        """Return the keys of all messages."""
        with self._transaction() as db:
            return {key for (key,) in db.execute("SELECT key FROM message")}

    def queued(self) -> list[QueuedMessage]:
        """Return the messages that no process is sending now, the oldest first."""
        now = time.time()
        query = "SELECT key, record, added, doubtful FROM message WHERE sent IS NULL AND claimed < ? ORDER BY added"
        with self._transaction() as db:
            rows = db.execute(query, (now,)).fetchall()
        found = []
        for key, record, added, doubtful in rows:
            failure = Failure.from_record(json.loads(record) | {"repeat": bool(doubtful)})
            found.append(QueuedMessage(key, failure, added))
        return found

    def next_due(self) -> float | None:
        """Return the seconds until a message may be sent, None where none is left."""
        with self._transaction() as db:
            (claimed,) = db.execute("SELECT min(claimed) FROM message WHERE sent IS NULL").fetchone()
        return None if claimed is None else max(0.0, claimed - time.time())

    def count_of_run(self, one: QueuedMessage) -> int:
        """Return how many tasks of its run have failed, sent or not, from `BURST_SECONDS` before it on."""
        query = "SELECT count(*) FROM message WHERE run = ? AND added > ?"
        with self._transaction() as db:
            return int(db.execute(query, (run_of(one.failure), one.added - BURST_SECONDS)).fetchone()[0])

    def claim(self, keys: Iterable[str]) -> list[str]:
        """Claim messages for sending; return those that no other process has claimed."""
        now = time.time()
        update = "UPDATE message SET claimed = ? WHERE key = ? AND sent IS NULL AND claimed < ?"
        with self._transaction() as db:
            return [key for key in keys if db.execute(update, (now + CLAIM_SECONDS, key, now)).rowcount]

    def sent(self, keys: Iterable[str]) -> None:
        """Mark what Slack has accepted."""
        with self._transaction() as db:
            db.executemany("UPDATE message SET sent = ? WHERE key = ?", [(time.time(), key) for key in keys])

    def release(self, keys: Iterable[str], *, doubtful: bool = False, tried: bool = True) -> float:
        """Give up the claim on what could not be sent; the pauses between tries become longer.

        :param doubtful: Slack did not answer, and may have accepted it.
        :param tried: whether it was tried; otherwise it may be sent at once.
        :return: seconds until the next try.
        """
        pause = 0.0
        update = "UPDATE message SET claimed = ?, tries = tries + ?, doubtful = max(doubtful, ?) WHERE key = ?"
        with self._transaction() as db:
            for key in keys:
                (tries,) = db.execute("SELECT tries FROM message WHERE key = ?", (key,)).fetchone()
                pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**tries) if tried else 0.0
                db.execute(update, (time.time() + pause, tried, doubtful, key))
        return pause

    def hint(self, failure: Failure, words: str) -> None:
        """Keep the reason why a task ended, for its message."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO hint VALUES (?, ?, ?)", (key_of(failure), words, time.time()))

    def hinted(self, failure: Failure) -> str:
        """Return the reason that was kept, or an empty string."""
        with self._transaction() as db:
            row = db.execute("SELECT words FROM hint WHERE key = ?", (key_of(failure),)).fetchone()
        return row[0] if row else ""

    def broken(self) -> dict[str, float]:
        """Return the DAG files that were reported as broken, and since when they are."""
        with self._transaction() as db:
            return dict(db.execute("SELECT file, since FROM broken").fetchall())

    def turn(self, failure: Failure) -> None:
        """Record that a DAG file broke, or that it imports again, with the message of it."""
        with self._transaction() as db:
            if failure.kind == "import":
                done = db.execute("INSERT OR IGNORE INTO broken VALUES (?, ?)", (failure.file, time.time()))
            else:
                done = db.execute("DELETE FROM broken WHERE file = ?", (failure.file,))
            if done.rowcount:
                values = (key_of(failure), run_of(failure), time.time(), json.dumps(failure.record))
                db.execute("INSERT INTO message (key, run, added, record, claimed) VALUES (?, ?, ?, ?, 0)", values)

    def moment(self, name: str) -> float:
        """Return a time that was kept, or 0."""
        with self._transaction() as db:
            row = db.execute("SELECT at FROM moment WHERE name = ?", (name,)).fetchone()
        return float(row[0]) if row else 0.0

    def keep_moment(self, name: str, at: float) -> None:
        """Keep a time under a name."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO moment VALUES (?, ?)", (name, at))

    def forget(self) -> None:
        """Delete what is old; log what could not be sent."""
        now = time.time()
        with self._transaction() as db:
            late = "SELECT record FROM message WHERE sent IS NULL AND added < ?"
            lost = db.execute(late, (now - RETRY_SECONDS,)).fetchall()
            db.execute("UPDATE message SET sent = 0 WHERE sent IS NULL AND added < ?", (now - RETRY_SECONDS,))
            db.execute("DELETE FROM message WHERE added < ?", (now - REMEMBER_SECONDS,))
            db.execute("DELETE FROM hint WHERE at < ?", (now - REMEMBER_SECONDS,))
        for (record,) in lost:
            failure = Failure.from_record(json.loads(record))
            log.error("Slack did not accept this message for 24 h; it is discarded: %s\n%s", failure.text, failure.url)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Connect for one short transaction: no process keeps the file open, or a lock while it is frozen."""
        with closing(sqlite3.connect(self.path, timeout=12, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")


def key_of(failure: Failure) -> str:
    """Return what identifies a failure, whichever process finds it."""
    parts: dict[str, tuple[object, ...]] = {
        "task": (failure.dag, failure.run, failure.task, failure.map_index, failure.attempt),
        "run": (failure.dag, failure.run, failure.began),
        "rule": (failure.headline, failure.dag, failure.run, failure.task, failure.map_index),
    }
    return json.dumps([failure.kind, *parts.get(failure.kind, (failure.file, failure.began))])


def run_of(failure: Failure) -> str:
    """Return what identifies the run of a failure."""
    return json.dumps([failure.kind, failure.dag, failure.run])

"""Who has told what: one SQLite file beside the logs, which all of Airflow's processes and containers share.

A message is written here before it is sent and marked after Slack has taken it. Whoever sends it holds it for a while
(`HOLD`); if that process dies, the next one to look sends it.
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

#: Seconds: how long a sender may take; how late a message may be; how long it is known that it was sent.
HOLD, LATEST, REMEMBER = 45, 86_400, 3 * 86_400
#: Seconds until a message is tried again, after one failure and after many.
FIRST_PAUSE, LONGEST_PAUSE = 5, 60
#: So many failed tasks of one run within so many seconds are told one by one, further ones together.
ONE_BY_ONE, BURST = 10, 600

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    key TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    noticed REAL NOT NULL,
    record TEXT NOT NULL,
    held REAL NOT NULL,           -- nobody else sends it before this moment
    tries INT NOT NULL DEFAULT 0,
    doubtful INT NOT NULL DEFAULT 0,
    sent REAL                     -- null: still to be sent
);
CREATE INDEX IF NOT EXISTS message_of_run ON message (run, noticed);
CREATE TABLE IF NOT EXISTS broken (file TEXT PRIMARY KEY, since REAL NOT NULL);
CREATE TABLE IF NOT EXISTS hint (key TEXT PRIMARY KEY, words TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS moment (name TEXT PRIMARY KEY, at REAL NOT NULL);
"""


@dataclass(frozen=True)
class Waiting:
    """A message that is still to be sent."""

    key: str
    failure: Failure
    noticed: float


class Ledger:
    """The file.

    :param path: made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._transaction() as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'moment'").fetchone():
                for statement in SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute("INSERT OR IGNORE INTO moment VALUES ('born', ?)", (time.time(),))

    @classmethod
    def shared(cls) -> Ledger:
        """Open the one of this environment.

        :raises OSError, sqlite3.Error: where it cannot be.
        """
        from airflow.configuration import conf

        return cls(Path(conf.get("logging", "base_log_folder")) / ".alerts" / "ledger.db")

    def add(self, failure: Failure, *, send: bool) -> bool:
        """Write down a failure, unless it is known.

        :param send: the caller wants to send it.
        :return: whether the caller is to send it: nobody knew, and it is not one of too many.
        """
        key, run, now = key_of(failure), run_of(failure), time.time()
        with self._transaction() as db:
            if failure.kind == "task" and send:
                count = "SELECT count(*) FROM message WHERE run = ? AND noticed > ?"
                (before,) = db.execute(count, (run, now - BURST)).fetchone()
                send = before < ONE_BY_ONE
            held = now + HOLD if send else 0
            values = (key, run, now, json.dumps(failure.record), held)
            new = db.execute(
                "INSERT OR IGNORE INTO message (key, run, noticed, record, held) VALUES (?, ?, ?, ?, ?)", values
            ).rowcount
        return bool(new) and send

    def keys(self) -> set[str]:
        """Return the keys of all that is written down."""
        with self._transaction() as db:
            return {key for (key,) in db.execute("SELECT key FROM message")}

    def waiting(self) -> list[Waiting]:
        """Return what nobody is sending now, the oldest first."""
        now = time.time()
        query = "SELECT key, record, noticed, doubtful FROM message WHERE sent IS NULL AND held < ? ORDER BY noticed"
        with self._transaction() as db:
            rows = db.execute(query, (now,)).fetchall()
        found = []
        for key, record, noticed, doubtful in rows:
            failure = Failure.from_record(json.loads(record) | {"repeat": bool(doubtful)})
            found.append(Waiting(key, failure, noticed))
        return found

    def next_due(self) -> float | None:
        """Return the seconds until a message may be sent, None where none is left."""
        with self._transaction() as db:
            (held,) = db.execute("SELECT min(held) FROM message WHERE sent IS NULL").fetchone()
        return None if held is None else max(0.0, held - time.time())

    def of_run(self, one: Waiting) -> int:
        """Count the failed tasks of its run, told or not, from a while before it on."""
        query = "SELECT count(*) FROM message WHERE run = ? AND noticed > ?"
        with self._transaction() as db:
            return int(db.execute(query, (run_of(one.failure), one.noticed - BURST)).fetchone()[0])

    def hold(self, keys: Iterable[str]) -> list[str]:
        """Take messages for sending; give those that nobody else has taken."""
        now = time.time()
        update = "UPDATE message SET held = ? WHERE key = ? AND sent IS NULL AND held < ?"
        with self._transaction() as db:
            return [key for key in keys if db.execute(update, (now + HOLD, key, now)).rowcount]

    def sent(self, keys: Iterable[str]) -> None:
        """Mark what Slack has taken."""
        with self._transaction() as db:
            db.executemany("UPDATE message SET sent = ? WHERE key = ?", [(time.time(), key) for key in keys])

    def release(self, keys: Iterable[str], *, doubtful: bool = False, tried: bool = True) -> float:
        """Return back what could not be sent; each try makes the next one wait longer.

        :param doubtful: it may have been: Slack did not answer.
        :param tried: otherwise it may be sent at once.
        :return: seconds until the next try.
        """
        pause = 0.0
        update = "UPDATE message SET held = ?, tries = tries + ?, doubtful = max(doubtful, ?) WHERE key = ?"
        with self._transaction() as db:
            for key in keys:
                (tries,) = db.execute("SELECT tries FROM message WHERE key = ?", (key,)).fetchone()
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**tries) if tried else 0.0
                db.execute(update, (time.time() + pause, tried, doubtful, key))
        return pause

    def hint(self, failure: Failure, words: str) -> None:
        """Leave word of why a task ended, for whoever tells of it."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO hint VALUES (?, ?, ?)", (key_of(failure), words, time.time()))

    def hinted(self, failure: Failure) -> str:
        """Return the word that was left, empty where there is none."""
        with self._transaction() as db:
            row = db.execute("SELECT words FROM hint WHERE key = ?", (key_of(failure),)).fetchone()
        return row[0] if row else ""

    def broken(self) -> dict[str, float]:
        """Return the DAG files that are known not to import, and since when."""
        with self._transaction() as db:
            return dict(db.execute("SELECT file, since FROM broken").fetchall())

    def turn(self, failure: Failure) -> None:
        """Write down that a DAG file broke, or that it is whole again, with the message of it."""
        with self._transaction() as db:
            if failure.kind == "import":
                done = db.execute("INSERT OR IGNORE INTO broken VALUES (?, ?)", (failure.file, time.time()))
            else:
                done = db.execute("DELETE FROM broken WHERE file = ?", (failure.file,))
            if done.rowcount:
                values = (key_of(failure), run_of(failure), time.time(), json.dumps(failure.record))
                db.execute("INSERT INTO message (key, run, noticed, record, held) VALUES (?, ?, ?, ?, 0)", values)

    def moment(self, name: str) -> float:
        """Return a moment that was kept, 0 where there is none."""
        with self._transaction() as db:
            row = db.execute("SELECT at FROM moment WHERE name = ?", (name,)).fetchone()
        return float(row[0]) if row else 0.0

    def keep_moment(self, name: str, at: float) -> None:
        """Keep a moment."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO moment VALUES (?, ?)", (name, at))

    def forget(self) -> None:
        """Forget what is old; log what was never sent."""
        now = time.time()
        with self._transaction() as db:
            late = "SELECT record FROM message WHERE sent IS NULL AND noticed < ?"
            lost = db.execute(late, (now - LATEST,)).fetchall()
            db.execute("UPDATE message SET sent = 0 WHERE sent IS NULL AND noticed < ?", (now - LATEST,))
            db.execute("DELETE FROM message WHERE noticed < ?", (now - REMEMBER,))
            db.execute("DELETE FROM hint WHERE at < ?", (now - REMEMBER,))
        for (record,) in lost:
            failure = Failure.from_record(json.loads(record))
            log.error("Slack has not taken this message for a day; it is given up: %s\n%s", failure.text, failure.url)

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
    """Return what makes a failure the same, whoever notices it."""
    parts: dict[str, tuple[object, ...]] = {
        "task": (failure.dag, failure.run, failure.task, failure.map_index, failure.attempt),
        "run": (failure.dag, failure.run, failure.began),
    }
    return json.dumps([failure.kind, *parts.get(failure.kind, (failure.file, failure.began))])


def run_of(failure: Failure) -> str:
    """Return the run whose failures belong together."""
    return json.dumps([failure.kind, failure.dag, failure.run])

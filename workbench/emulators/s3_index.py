"""The durable index of the S3 emulator: one row for each bucket and object.

A row is written before the request that changed it is answered, so every acknowledged change survives `kill -9`. A
power cut may lose the last moments, but leaves no object half written: its bytes are on the disk before its row.
Uploads in parts that were not completed are deleted at restart. Data that cannot be read is not changed.
"""

from __future__ import annotations

import copy
import pickle
import re
import sqlite3
from typing import TYPE_CHECKING, Any

import moto
from moto.s3.models import MultipartDict, s3_backends
from moto.s3.utils import _VersionedKeyStore

from workbench.emulators import s3_objects
from workbench.emulators.recovery import move_aside
from workbench.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT, PARTITION = "123456789012", "aws"
#: The names of the files with the bytes of objects.
BLOB = re.compile(r"[0-9a-f]{32}")

SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (bucket TEXT PRIMARY KEY, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS objects (bucket TEXT, key TEXT, versions BLOB NOT NULL, PRIMARY KEY (bucket, key));
CREATE TABLE IF NOT EXISTS tags (one INTEGER PRIMARY KEY CHECK (one = 1), state BLOB NOT NULL);
"""


class Index:
    """Moto's S3 state in memory, and its rows on the disk.

    Not thread-safe: the caller holds a lock.

    :param folder: where rows and bytes are kept.
    """

    def __init__(self, folder: Path) -> None:
        s3_objects.install(folder / "objects")
        self.folder = folder
        self.backend = s3_backends[ACCOUNT][PARTITION]
        self._unsaved: set[tuple[str, str | None]] = set()
        self._tags = b""
        try:
            self._db = self._open(folder / "index.sqlite")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(SCHEMA)
            self._load()
        except sqlite3.Error as error:
            raise UserError(
                f"the S3 emulator's index {folder / 'index.sqlite'} cannot be read", str(error), move_aside(folder)
            ) from None
        self._sweep()

    def save(self, bucket: str, key: str | None = None) -> None:
        """Write the changes of a request.

        :param key: the only object that it changed; by default the bucket and all of its objects.
        """
        # What an earlier, failed save did not write is written now: its old bytes are discarded already.
        self._unsaved.add((bucket, key))
        discarded = list(s3_objects.StoredKey.discarded_blobs)
        self._db.execute("BEGIN")
        try:
            for unsaved_bucket, unsaved_key in self._unsaved:
                self._save_one(unsaved_bucket, unsaved_key)
            tags = pickle.dumps(self.backend.tagger)
            if tags != self._tags:
                self._db.execute("INSERT OR REPLACE INTO tags VALUES (1, ?)", [tags])
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._tags = tags
        self._unsaved.clear()
        del s3_objects.StoredKey.discarded_blobs[: len(discarded)]
        for blob in discarded:
            (s3_objects.StoredKey.folder / blob).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the database; everything is written already."""
        self._db.close()

    def _save_one(self, name: str, key: str | None) -> None:
        bucket = self.backend.buckets.get(name)
        if key is not None and bucket is not None:
            self._save_object(name, key, bucket.keys.getlist(key, []))
            return
        self._db.execute("DELETE FROM objects WHERE bucket = ?", [name])
        if bucket is None:
            self._db.execute("DELETE FROM buckets WHERE bucket = ?", [name])
            return
        state = copy.copy(bucket)
        state.keys, state.multiparts = _VersionedKeyStore(), MultipartDict()
        self._db.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?)", [name, pickle.dumps(state)])
        for each in list(bucket.keys):
            self._save_object(name, each, bucket.keys.getlist(each))

    def _save_object(self, bucket: str, key: str, versions: list[Any]) -> None:
        if not versions:
            self._db.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", [bucket, key])
            return
        for version in versions:
            if isinstance(version, s3_objects.StoredKey):
                version.make_durable()
        self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", [bucket, key, pickle.dumps(versions)])

    def _load(self) -> None:
        try:
            for name, state in self._db.execute("SELECT bucket, state FROM buckets"):
                self.backend.buckets[name] = pickle.loads(state)  # noqa: S301  # written by this module, in a private folder
                s3_backends.bucket_accounts[name] = (PARTITION, ACCOUNT)
            for name, key, versions in self._db.execute("SELECT bucket, key, versions FROM objects"):
                self.backend.buckets[name].keys.setlist(key, pickle.loads(versions))  # noqa: S301  # as above
            for (state,) in self._db.execute("SELECT state FROM tags"):
                self.backend.tagger = pickle.loads(state)  # noqa: S301  # as above
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001  # a damaged pickle raises anything
            raise UserError(
                f"the S3 emulator cannot read its data in {self.folder}",
                f"moto {moto.__version__} does not accept it: {error!r}",
                move_aside(self.folder),
            ) from None

    def _open(self, file: Path) -> sqlite3.Connection:
        """Return the index, unless it is missing while objects exist: they would be deleted as unfinished uploads."""
        objects = sum(1 for path in s3_objects.StoredKey.folder.iterdir() if BLOB.fullmatch(path.name))
        if not objects or (file.is_file() and file.stat().st_size):  # SQLite deletes the log of a missing file
            index = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
            if not objects or index.execute("SELECT 1 FROM sqlite_master WHERE name = 'objects'").fetchone():
                return index
        raise UserError(
            f"the S3 emulator's index {file} is missing or empty",
            f"without it the names of {objects} existing objects are unknown",
            f"put the index back; or {move_aside(self.folder)}",
        )

    def _sweep(self) -> None:
        """Delete bytes that no row refers to: parts of uploads that were not completed."""
        known = {
            version.blob
            for bucket in self.backend.buckets.values()
            for key in bucket.keys
            for version in bucket.keys.getlist(key)
            if isinstance(version, s3_objects.StoredKey)
        }
        for path in s3_objects.StoredKey.folder.iterdir():
            if BLOB.fullmatch(path.name) and path.name not in known:
                path.unlink()

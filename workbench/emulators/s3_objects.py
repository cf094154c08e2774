"""Moto's S3 objects with their bytes in files, so that memory and restarts do not depend on their size.

Relies on internals of moto 5.2: `FakeKey`, `FakeMultipart` and the list in which moto keeps every instance alive.
"""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

from moto.core.model_instances import model_data
from moto.s3 import models
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
from moto.s3.utils import compute_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = 1 << 20


class StoredKey(models.FakeKey):  # type: ignore[misc]  # moto publishes no types
    """One version of an object, or one part of an upload, whose bytes are in the file `blob`."""

    folder: ClassVar[Path]
    """Where the bytes are kept."""

    discarded_blobs: ClassVar[list[str]] = []
    """Blobs that nothing in memory refers to any more; deleted with the next commit of the index."""

    blob: str | None = None
    durable = False
    disposed: bool
    _etag: str | None

    @property
    def path(self) -> Path:
        """The file that holds the bytes."""
        return self.folder / str(self.blob)

    @property
    def value(self) -> bytes:
        """Read all bytes; downloads stream the file instead."""
        return self.path.read_bytes()

    @value.setter
    def value(self, content: bytes | Assembled) -> None:
        self._value_buffer = None
        if isinstance(content, Assembled):
            self.blob, self.contentsize = content.blob, content.size
            return
        self.blob = uuid.uuid4().hex
        self.path.write_bytes(content)
        self.contentsize = len(content)
        if self._etag is None:
            self._etag = hashlib.md5(content, usedforsecurity=False).hexdigest()

    @property
    def etag(self) -> str:
        """Return the ETag in quotes."""
        return f'"{self._etag}"'

    def make_durable(self) -> None:
        """Write the bytes from the kernel's cache to the disk, before the index refers to them."""
        if not self.durable:
            with self.path.open("rb") as file:
                os.fsync(file.fileno())
            self.durable = True

    def dispose(self, *, garbage: bool = False) -> None:
        """Discard the file; it is deleted with the next commit of the index.

        :param garbage: called by the garbage collector, also for copies: the next start deletes such files instead.
        """
        if not garbage and not self.disposed:
            self.disposed = True
            self.discarded_blobs.append(str(self.blob))

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the lock and the parts that the object was assembled from."""
        return self.__dict__ | {"lock": None, "multipart": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore an object whose file an earlier process wrote."""
        self.__dict__.update(state)
        self.lock = threading.Lock()


class Assembled:
    """The file of a completed multipart upload."""

    def __init__(self) -> None:
        self.blob = uuid.uuid4().hex
        self.size = 0
        self.crc32 = 0


class StoredMultipart(models.FakeMultipart):  # type: ignore[misc]  # as above
    """A multipart upload that is assembled on the disk; moto would hold it in memory three times."""

    def complete(self, body: Iterator[tuple[int, str]]) -> tuple[Assembled, str, tuple[str, str, int] | None]:
        """Join the parts that the client lists.

        :return: the file, its ETag, and the type, value and number of parts of its checksum.
        """
        parts = self._listed(body)
        whole = Assembled()
        with (StoredKey.folder / whole.blob).open("wb") as target:
            for part in parts:
                with part.path.open("rb") as source:
                    while block := source.read(BLOCK):
                        target.write(block)
                        whole.size += len(block)
                        whole.crc32 = zlib.crc32(block, whole.crc32)
        digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
        return whole, etag, self._checksum(parts, whole)

    def _listed(self, body: Iterator[tuple[int, str]]) -> list[StoredKey]:
        parts: list[StoredKey] = []
        for number, etag in body:
            part = self.parts.get(number)
            if part is None or part.etag.strip('"') != etag.strip('"'):
                raise InvalidPart
            if parts and parts[-1].contentsize < models.S3_UPLOAD_PART_MIN_SIZE:
                raise EntityTooSmall
            parts.append(part)
        if not parts:
            raise MalformedXML
        return parts

    def _checksum(self, parts: list[StoredKey], whole: Assembled) -> tuple[str, str, int] | None:
        algorithm = self.metadata.get("x-amz-checksum-algorithm")
        if not algorithm:
            return None
        kind = self.metadata.get("x-amz-checksum-type") or ("FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE")
        if kind == "COMPOSITE":
            sums = b"".join(compute_checksum(part.value, algorithm, encode_base64=False) for part in parts)
            return kind, compute_checksum(sums, algorithm).decode(), len(parts)
        if algorithm == "CRC32":
            return kind, models.base64.b64encode(whole.crc32.to_bytes(4)).decode(), 1
        return kind, compute_checksum((StoredKey.folder / whole.blob).read_bytes(), algorithm).decode(), 1


class _EmptyList(list[Any]):
    """A list that stays empty: moto appends every instance to a list for its console, which would leak memory."""

    def append(self, _instance: object) -> None:
        """Ignore it."""


def install(folder: Path) -> None:
    """Configure moto to keep objects in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    StoredKey.folder = folder
    models.FakeKey, models.FakeMultipart = StoredKey, StoredMultipart
    for model in (*model_data["s3"].values(), StoredKey, StoredMultipart):
        model.instances_tracked = _EmptyList()

"""What is in the lake and not loaded yet: a list of notices, each an empty object whose key has all of its content.

An ingest adds a notice after it has written a file, and before its event. `load_warehouse` removes the notice once the
partition is loaded and the event of that is out. So the cost of a plan grows with what is to be loaded and not with all
files and events of the past, and an event that no run received loses nothing.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from common.datasets import DATASETS

if TYPE_CHECKING:
    from collections.abc import Iterable

log = logging.getLogger(__name__)

PREFIX = "pending/"
#: Objects that S3 deletes in one request at most.
KEYS_PER_REQUEST = 1_000

#: Instead of an object's ETag, for an event that names only a partition.
UNKNOWN = "unknown"

#: A dataset's name, and a partition of it.
Partition = tuple[str, str]


@dataclass(frozen=True, order=True)
class Notice:
    """One announcement of a partition; the newest sorts last.

    :ivar announced_at: as `utc_text` writes it.
    """

    announced_at: str
    dataset: str
    partition: str
    rows: int
    etag: str

    @property
    def of(self) -> Partition:
        """Return the partition that it announces."""
        return self.dataset, self.partition

    @property
    def key(self) -> str:
        """Return the key of its object; in a listing the oldest comes first."""
        moment = self.announced_at.replace(" ", "T")
        parts = (moment, self.dataset, quote(self.partition, safe=""), str(self.rows), quote(self.etag, safe=""))
        return PREFIX + "/".join(parts)

    @classmethod
    def from_key(cls, key: str) -> Notice:
        """Return the notice of a key.

        :raises ValueError: where the key is not that of a notice.
        """
        moment, dataset, partition, rows, etag = key.removeprefix(PREFIX).split("/")
        if dataset not in DATASETS:
            raise ValueError(f"the dataset {dataset} does not exist")
        return cls(moment.replace("T", " "), dataset, unquote(partition), int(rows), unquote(etag))


@dataclass(frozen=True)
class Pending:
    """The notices in one bucket.

    :param s3: a boto3 client.
    """

    s3: Any
    bucket: str

    def add(self, notice: Notice) -> None:
        """Add a notice; a second time changes nothing."""
        self.s3.put_object(Bucket=self.bucket, Key=notice.key, Body=b"")

    def notices(self) -> dict[Partition, list[Notice]]:
        """Return the notices of each partition that has any."""
        found: dict[Partition, list[Notice]] = defaultdict(list)
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=PREFIX):
            for item in page.get("Contents", ()):
                try:
                    notice = Notice.from_key(item["Key"])
                except ValueError as error:
                    log.warning("s3://%s/%s is not a notice and is ignored (%s)", self.bucket, item["Key"], error)
                    continue
                found[notice.of].append(notice)
        return found

    def remove(self, keys: Iterable[str]) -> None:
        """Remove notices; one that does not exist any more is no error."""
        left = list(keys)
        while left:
            objects = [{"Key": key} for key in left[:KEYS_PER_REQUEST]]
            del left[:KEYS_PER_REQUEST]
            self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})


def utc_text(moment: datetime) -> str:
    """Return a moment in UTC, to the microsecond and without a zone: it sorts as text and fits TIMESTAMP_NTZ."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(sep=" ", timespec="microseconds")

"""What lies in the lake and is not loaded yet: a list of notices, each an empty object of the lake whose key says all.

An ingest adds a notice after the file that it wrote, and before its event. `load_warehouse` removes it once the
partition is loaded and an event has said so. So finding what is to be loaded costs as much as there is to load, however
long the history of files and events has become, and nothing is lost with an event that no run was handed.
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
#: Objects of one request to delete, S3's limit.
AT_ONCE = 1_000

#: Instead of an object's ETag, where nobody said which object is meant.
UNKNOWN = "unknown"

#: A dataset's name, and a partition of it.
Partition = tuple[str, str]


@dataclass(frozen=True, order=True)
class Notice:
    """One announcement of a partition; the newest sorts last.

    :ivar announced_at: as `utc_text` gives it.
    """

    announced_at: str
    dataset: str
    partition: str
    rows: int
    etag: str

    @property
    def of(self) -> Partition:
        """Which partition it is about."""
        return self.dataset, self.partition

    @property
    def key(self) -> str:
        """Return the key of its object: the oldest comes first in a listing."""
        moment = self.announced_at.replace(" ", "T")
        parts = (moment, self.dataset, quote(self.partition, safe=""), str(self.rows), quote(self.etag, safe=""))
        return PREFIX + "/".join(parts)

    @classmethod
    def from_key(cls, key: str) -> Notice:
        """Read what `key` says.

        :raises ValueError: where it is no notice's.
        """
        moment, dataset, partition, rows, etag = key.removeprefix(PREFIX).split("/")
        if dataset not in DATASETS:
            raise ValueError(f"there is no dataset {dataset}")
        return cls(moment.replace("T", " "), dataset, unquote(partition), int(rows), unquote(etag))


@dataclass(frozen=True)
class Pending:
    """The notices in one bucket.

    :param s3: a boto3 client.
    """

    s3: Any
    bucket: str

    def add(self, notice: Notice) -> None:
        """Add a notice; one that is there already stays as it is."""
        self.s3.put_object(Bucket=self.bucket, Key=notice.key, Body=b"")

    def notices(self) -> dict[Partition, list[Notice]]:
        """Return all notices of each partition that has any."""
        found: dict[Partition, list[Notice]] = defaultdict(list)
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=PREFIX):
            for item in page.get("Contents", ()):
                try:
                    notice = Notice.from_key(item["Key"])
                except ValueError as error:
                    log.warning("s3://%s/%s is not a notice: left out (%s)", self.bucket, item["Key"], error)
                    continue
                found[notice.of].append(notice)
        return found

    def remove(self, keys: Iterable[str]) -> None:
        """Remove notices; one that is gone already does no harm."""
        left = list(keys)
        while left:
            objects = [{"Key": key} for key in left[:AT_ONCE]]
            del left[:AT_ONCE]
            self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})


def utc_text(moment: datetime) -> str:
    """Return UTC to the microsecond without a zone, which sorts as text and suits TIMESTAMP_NTZ."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(sep=" ", timespec="microseconds")

"""Take data from a source to the lake: validated, with canonical columns, as Parquet, in bounded memory."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, TypedDict

from common.pending import Notice, Pending, utc_text
from common.storage import ObjectWriter, open_object
from common.tabular import read_cells, read_csv, read_json, write_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from common.datasets import Dataset
    from common.tabular import Sink

log = logging.getLogger(__name__)


class Announcement(TypedDict):
    """The `extra` of a raw asset's event."""

    partition: str
    key: str
    rows: int
    etag: str
    announced_at: str


def ingest_object(s3: Any, dataset: Dataset, partition: str, *, source_bucket: str, lake_bucket: str) -> Announcement:
    """Take one CSV or JSON object to the lake.

    :param s3: a boto3 client.
    :raises SourceMissingError: where the object does not exist.
    :raises BadDataError: where its content cannot be used; the lake keeps what it had.
    """
    key = dataset.source_key(partition)
    rows = _read(open_object(s3, source_bucket, key), dataset, key)
    return write_partition(s3, dataset, partition, rows, file=key, lake_bucket=lake_bucket)


def ingest_cells(
    s3: Any, dataset: Dataset, partition: str, cells: Sequence[Sequence[Any]], *, file: str, lake_bucket: str
) -> Announcement:
    """Take a sheet's cells to the lake; the first row holds the headings."""
    rows = read_cells(cells, dataset, file)
    return write_partition(s3, dataset, partition, rows, file=file, lake_bucket=lake_bucket)


def write_partition(
    s3: Any, dataset: Dataset, partition: str, rows: Iterable[pa.RecordBatch], *, file: str, lake_bucket: str
) -> Announcement:
    """Write one partition's Parquet object, whole or not at all, then add the notice that it is to be loaded."""
    key = dataset.lake_key(partition)
    with ObjectWriter(s3, lake_bucket, key) as sink:
        count = write_parquet(rows, sink, dataset, file, datetime.now(UTC))
    log.info("%s: %d rows to s3://%s/%s (ETag %s)", file, count, lake_bucket, key, sink.etag)
    announced_at = utc_text(datetime.now(UTC))
    Pending(s3, lake_bucket).add(Notice(announced_at, dataset.name, partition, count, sink.etag))
    return {"partition": partition, "key": key, "rows": count, "etag": sink.etag, "announced_at": announced_at}


def convert(source: IO[bytes], sink: Sink, dataset: Dataset, file: str) -> int:
    """Convert one open file to Parquet: what `ingest_object` does, without S3.

    :return: the number of rows.
    """
    return write_parquet(_read(source, dataset, file), sink, dataset, file, datetime.now(UTC))


def _read(source: IO[bytes], dataset: Dataset, file: str) -> Iterator[pa.RecordBatch]:
    return (read_json if file.endswith(".json") else read_csv)(source, dataset, file)

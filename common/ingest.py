"""From a source to the lake: validated, standardised, as Parquet, in bounded memory."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, TypedDict

from common.pending import Notice, Pending, utc_text
from common.storage import ObjectWriter, open_object
from common.tabular import cell_batches, csv_batches, json_batches, write_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from common.datasets import Dataset
    from common.tabular import Sink

log = logging.getLogger(__name__)


class Announcement(TypedDict):
    """What an event of a raw asset says."""

    partition: str
    key: str
    rows: int
    etag: str
    announced_at: str


def ingest_object(s3: Any, dataset: Dataset, partition: str, *, source_bucket: str, lake_bucket: str) -> Announcement:
    """Take one CSV or JSON object to the lake.

    :param s3: a boto3 client.
    :raises SourceMissingError: where the object is not there.
    :raises BadDataError: where its content cannot be used; the lake is then as it was.
    """
    key = dataset.source_key(partition)
    body = open_object(s3, source_bucket, key)
    read = json_batches if key.endswith(".json") else csv_batches
    return write_partition(s3, dataset, partition, read(body, dataset, key), file=key, lake_bucket=lake_bucket)


def ingest_cells(
    s3: Any, dataset: Dataset, partition: str, cells: Sequence[Sequence[Any]], *, file: str, lake_bucket: str
) -> Announcement:
    """Take a sheet's cells to the lake; the first row holds the headings."""
    return write_partition(
        s3, dataset, partition, cell_batches(cells, dataset, file), file=file, lake_bucket=lake_bucket
    )


def write_partition(
    s3: Any, dataset: Dataset, partition: str, batches: Iterable[pa.RecordBatch], *, file: str, lake_bucket: str
) -> Announcement:
    """Write one partition's Parquet object, whole or not at all, then note that it is to be loaded."""
    key = dataset.lake_key(partition)
    with ObjectWriter(s3, lake_bucket, key) as sink:
        rows = write_parquet(batches, sink, dataset, file, datetime.now(UTC))
    log.info("%s: %d rows to s3://%s/%s (ETag %s)", file, rows, lake_bucket, key, sink.etag)
    notice = Notice(utc_text(datetime.now(UTC)), dataset.name, partition, rows, sink.etag)
    Pending(s3, lake_bucket).add(notice)
    return {
        "partition": partition,
        "key": key,
        "rows": rows,
        "etag": sink.etag,
        "announced_at": notice.announced_at,
    }


def convert(source: IO[bytes], sink: Sink, dataset: Dataset, file: str) -> int:
    """Convert one open file to Parquet; what `ingest_object` does, without S3.

    :return: the number of rows.
    """
    read = json_batches if file.endswith(".json") else csv_batches
    return write_parquet(read(source, dataset, file), sink, dataset, file, datetime.now(UTC))

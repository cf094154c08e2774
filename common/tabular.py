"""Read CSV, JSON and rows of cells as Arrow record batches of canonical columns, and write them as Parquet.

Memory has a bound, whatever the source's size. Every cell stays text, as it came. Headings, the number of fields, UTF-8
and dates are checked on the way; errors name file, row and column.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from array import array
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Protocol

import ijson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from common.datasets import INGESTED_AT, ROW, Dataset, Kind
from common.errors import BadDataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

log = logging.getLogger(__name__)

#: Bytes of CSV that are parsed at a time.
BLOCK = 1 << 19
#: Bytes after which a row of CSV without an end is an error.
LONGEST_ROW = 16 << 20
#: Rows of JSON or of a sheet at a time.
ROWS = 10_000
#: Bytes of columns in a row group of the Parquet file, which the writer buffers.
ROW_GROUP = 4 << 20
#: Characters of a bad value that a message shows.
SHOWN = 100

STAMP = pa.timestamp("us", tz="UTC")

_DAY_FIRST = r"^(\d{2})/(\d{2})/(\d{4})"
#: "YYYY-MM-DD", with " HH:MM", ":SS" and a fraction.
_DATE_LENGTHS = array("q", [10, 16, 19, *range(21, 27)])
_SEPARATORS = ";\t|"

# `pa.array` and `pa.scalar` import pandas where it is installed: 35 MiB and a third of a second for each task. So these
# functions make arrays without them.


def _texts(values: Iterable[str | None]) -> pa.Array:
    builder = pa.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


def _integers(cells: array[int], kind: pa.DataType) -> pa.Array:
    """Make an array of a type that holds 64 bits a value."""
    return pa.Array.from_buffers(kind, len(cells), [None, pa.py_buffer(cells)])


def _times(moment: datetime, count: int) -> pa.Array:
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return _integers(array("q", [micros]) * count, STAMP)


class Sink(Protocol):
    """A binary file to write to; it need not seek."""

    def write(self, data: bytes, /) -> int:
        """Take all bytes."""


def match_headings(dataset: Dataset, headings: Sequence[str], file: str) -> dict[str, int]:
    """Return the position of each canonical column among messy headings; case, blanks and punctuation do not count.

    :raises BadDataError: where a column is missing, or two headings name it.
    """
    wanted = {_squash(column): column for column in dataset.columns}
    found: dict[str, int] = {}
    unknown = []
    for position, heading in enumerate(headings):
        column = wanted.get(_squash(heading))
        if column is None:
            # pandas writes its index under an empty heading, and reads that back as "Unnamed: 0".
            if not re.fullmatch(r"(unnamed\d*)?", _squash(heading)):
                unknown.append(heading)
        elif column in found:
            raise BadDataError(
                file, f"the headings {headings[found[column]]!r} and {heading!r} mean the same column", column=column
            )
        else:
            found[column] = position
    missing = [column for column in dataset.columns if column not in found]
    if missing:
        raise BadDataError(file, _why_missing(dataset, headings, missing), column=missing[0])
    if unknown:
        log.warning("%s: unknown headings are ignored: %s", file, ", ".join(unknown))
    return {column: found[column] for column in dataset.columns}


def read_csv(stream: IO[bytes], dataset: Dataset, file: str) -> Iterator[pa.RecordBatch]:
    """Read a CSV stream: commas, double quotes, UTF-8, newlines within quotes."""
    # Not pyarrow's open_csv: its background thread reads 32 blocks ahead, which is most of the memory.
    blocks = _csv_blocks(stream, file)
    headings = _headings(next(blocks), file)
    positions = match_headings(dataset, headings, file)
    row = 1
    for block in blocks:
        table = _parsed(block, len(headings), list(positions.values()), file, row)
        if table.num_rows:
            cells = zip(positions, table.columns, strict=True)
            yield pa.RecordBatch.from_arrays(
                [_decoded(column.combine_chunks(), file, row, name) for name, column in cells], names=list(positions)
            )
            row += table.num_rows


def read_json(stream: IO[bytes], dataset: Dataset, file: str) -> Iterator[pa.RecordBatch]:
    """Read a JSON array of records, or JSON lines."""
    columns_of: dict[str, str | None] = {}
    known = {_squash(column): column for column in dataset.columns}
    rows = []
    for row, record in enumerate(_records(stream, file), start=1):
        if not isinstance(record, dict):
            raise BadDataError(file, f"is {_shown(record)}, which is not an object", row=row)
        cells: dict[str, str | None] = {}
        for key, value in record.items():
            if key not in columns_of:
                columns_of[key] = known.get(_squash(key))
            column = columns_of[key]
            if column is not None:
                cells[column] = _as_text(value, file, row, column)
        if len(cells) < len(dataset.columns):
            missing = [column for column in dataset.columns if column not in cells]
            raise BadDataError(file, _why_missing(dataset, list(record), missing), row=row, column=missing[0])
        rows.append(cells)
        if len(rows) == ROWS:
            yield _record_batch(rows, dataset)
            rows = []
    if unknown := [key for key, column in columns_of.items() if column is None]:
        log.warning("%s: unknown keys are ignored: %s", file, ", ".join(unknown))
    if rows:
        yield _record_batch(rows, dataset)


def read_cells(cells: Sequence[Sequence[Any]], dataset: Dataset, file: str) -> Iterator[pa.RecordBatch]:
    """Read a sheet: the first row holds the headings; trailing empty cells may be absent."""
    if not cells:
        raise BadDataError(file, "is empty")
    positions = match_headings(dataset, [str(heading) for heading in cells[0]], file)
    width = len(cells[0])
    rows = iter(enumerate(cells[1:], start=1))
    while chunk := list(islice(rows, ROWS)):
        for row, line in chunk:
            if len(line) > width:
                raise BadDataError(file, f"has {len(line)} cells, but there are {width} headings", row=row)
        yield pa.RecordBatch.from_arrays(
            [
                _texts([_as_text(line[i], file, row, column) if i < len(line) else None for row, line in chunk])
                for column, i in positions.items()
            ],
            names=list(positions),
        )


def write_parquet(
    record_batches: Iterable[pa.RecordBatch], sink: Sink, dataset: Dataset, file: str, ingested_at: datetime
) -> int:
    """Check dates, add the columns `_row` and `_ingested_at`, and write.

    :return: the number of rows.
    :raises BadDataError: where a date is not valid, or there are no rows.
    """
    schema = _text_schema(dataset).append(pa.field(ROW, pa.int64())).append(pa.field(INGESTED_AT, STAMP))
    rows = 0
    group: list[pa.RecordBatch] = []
    size = 0
    with pq.ParquetWriter(sink, schema, compression="snappy") as writer:
        for chunk in record_batches:
            for column, kind in dataset.columns.items():
                if kind is Kind.DATE:
                    _check_dates(chunk[column], file, rows + 1, column)
            numbers = _integers(array("q", range(rows + 1, rows + chunk.num_rows + 1)), pa.int64())
            stamps = _times(ingested_at, chunk.num_rows)
            group.append(pa.RecordBatch.from_arrays([*chunk.columns, numbers, stamps], schema=schema))
            rows += chunk.num_rows
            size += chunk.nbytes
            if size >= ROW_GROUP:
                writer.write_table(pa.Table.from_batches(group))
                group, size = [], 0
        if not rows:
            raise BadDataError(file, "has no rows")
        if group:
            writer.write_table(pa.Table.from_batches(group))
    return rows


def _record_batch(rows: Sequence[dict[str, str | None]], dataset: Dataset) -> pa.RecordBatch:
    columns = [_texts([row[column] for row in rows]) for column in dataset.columns]
    return pa.RecordBatch.from_arrays(columns, names=list(dataset.columns))


def _text_schema(dataset: Dataset) -> pa.Schema:
    return pa.schema([(column, pa.string()) for column in dataset.columns])


def _squash(heading: str) -> str:
    return re.sub(r"[^a-z0-9]", "", heading.lower())


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _why_missing(dataset: Dataset, headings: Sequence[str], missing: Sequence[str]) -> str:
    why = f"{', '.join(missing)} missing; expected {', '.join(dataset.columns)}; found {_shown(', '.join(headings))}"
    if len(headings) == 1:
        for separator in _SEPARATORS:
            if separator in headings[0]:
                return f"cells are separated by {separator!r} instead of ','"
    return why


def _csv_blocks(stream: IO[bytes], file: str) -> Iterator[bytes]:
    """Cut a stream at the ends of records: first the headings alone, then blocks of whole records.

    A newline ends a record if the number of quotes before it is even.
    """
    data = stream.read(BLOCK)
    if not data.strip():
        raise BadDataError(file, "is empty")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise BadDataError(file, "is not UTF-8 text (it looks like UTF-16): save it as UTF-8")
    end = _end_of_record(data)
    while not end and len(data) < LONGEST_ROW and (more := stream.read(BLOCK)):
        data += more
        end = _end_of_record(data)
    end = end or len(data)
    yield data[:end]
    rest = data[end:]
    while data := stream.read(BLOCK):
        rest += data
        end = _end_of_last_record(rest)
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > LONGEST_ROW:
            raise BadDataError(file, f"a row is longer than {LONGEST_ROW >> 20} MiB: probably a quote is not closed")
    if rest.count(b'"') % 2:
        raise BadDataError(file, "a quote is opened and not closed: the file is probably cut off")
    if rest:
        yield rest


def _end_of_record(data: bytes) -> int:
    """Return where the first record ends, or 0."""
    end = data.find(b"\n") + 1
    while end and data.count(b'"', 0, end) % 2:
        end = data.find(b"\n", end) + 1
    return end


def _end_of_last_record(data: bytes) -> int:
    """Return where the last whole record ends, or 0; the time grows with what comes after it."""
    within_quotes = data.count(b'"') % 2 == 1
    end = len(data)
    while True:
        quote = data.rfind(b'"', 0, end)
        if not within_quotes and (newline := data.rfind(b"\n", quote + 1, end)) >= 0:
            return newline + 1
        if quote < 0:
            return 0
        end, within_quotes = quote, not within_quotes


def _headings(line: bytes, file: str) -> list[str]:
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDataError(file, f"the headings are not UTF-8 (byte {error.start})") from None
    return next(csv.reader(io.StringIO(text, newline="")), [])


def _parsed(block: bytes, width: int, positions: Sequence[int], file: str, first_row: int) -> pa.Table:
    """Parse whole records; cells stay bytes, so that an error can name the one that is not UTF-8."""
    bad_rows: list[pa.csv.InvalidRow] = []

    def remember(row: pa.csv.InvalidRow) -> str:
        bad_rows.append(row)
        return "error"

    names = [str(position) for position in range(width)]
    wanted = [names[position] for position in positions]
    try:
        return pa.csv.read_csv(
            pa.BufferReader(block),
            # One thread: rows then have numbers, and memory has a bound.
            pa.csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
            pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=remember),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(wanted, pa.binary()), include_columns=wanted),
        )
    except pa.ArrowInvalid as error:
        if not bad_rows:
            raise BadDataError(file, f"is not CSV: {error}", row=first_row) from None
        bad = bad_rows[0]
        why = f"has {bad.actual_columns} fields instead of {bad.expected_columns}: {_shown(bad.text)}"
        raise BadDataError(file, why, row=first_row + bad.number - 1) from None


def _decoded(cells: pa.Array, file: str, first_row: int, column: str) -> pa.Array:
    try:
        return cells.cast(pa.string())
    except pa.ArrowInvalid:
        for row, cell in enumerate(cells.to_pylist(), start=first_row):
            try:
                cell.decode()
            except UnicodeDecodeError:
                raise BadDataError(file, f"{_shown(cell)} is not UTF-8", row=row, column=column) from None
        raise


def _records(stream: IO[bytes], file: str) -> Iterator[Any]:
    """Read the records of an array, or JSON lines."""
    source = io.BufferedReader(stream, 1 << 16)  # type: ignore[type-var] # botocore's body has all that it needs
    head = source.peek(1 << 16).lstrip()
    if head.startswith(b"\xef\xbb\xbf"):
        source.read(3)
        head = head[3:].lstrip()
    if not head:
        raise BadDataError(file, "is empty")
    count = 0
    try:
        if head.startswith(b"["):
            for record in ijson.items(source, "item", use_float=True):
                yield record
                count += 1
        else:
            for line in source:
                if line.strip():
                    yield json.loads(line)
                    count += 1
    except (ijson.JSONError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadDataError(file, f"is not JSON, or is cut off: {reason}", row=count + 1) from None


def _as_text(value: Any, file: str, row: int, column: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    raise BadDataError(file, f"{_shown(value)} is not a single value", row=row, column=column)


def _check_dates(cells: pa.Array, file: str, first_row: int, column: str) -> None:
    """Refuse a cell that is neither empty nor a date or timestamp, in ISO form or day first."""
    if not _are_dates(cells):
        for i, cell in enumerate(cells):
            if not _are_dates(cells.slice(i, 1)):
                why = f"{_shown(cell.as_py())} is not a date (YYYY-MM-DD or DD/MM/YYYY)"
                raise BadDataError(file, why, row=first_row + i, column=column)


def _are_dates(cells: pa.Array) -> bool:
    text = pc.utf8_trim_whitespace(cells.drop_null())
    text = text.filter(pc.not_equal(text, _texts([""])[0]))
    if pc.any(pc.match_substring(text, "/")).as_py():
        text = pc.replace_substring_regex(text, _DAY_FIRST, r"\3-\2-\1")
    lengths = pc.utf8_length(text).cast(pa.int64())
    if not pc.all(pc.is_in(lengths, _integers(_DATE_LENGTHS, pa.int64())), min_count=0).as_py():
        return False
    try:
        text.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return False
    return True

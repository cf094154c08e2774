"""What COPY INTO remembers of the files that it has loaded."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from snowflake.connector.errors import IntegrityError, ProgrammingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COPY = "COPY INTO t FROM @stage FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
NOTHING = ("Copy executed with 0 files processed.",)


@pytest.fixture
def cursor(connect: Callable[..., Any], schema: str, lake: Any) -> Iterator[Any]:
    """A cursor in a schema with a stage of one file and a table that has loaded it."""
    cursor = connect(schema=schema).cursor()
    lake.put(f"{schema}/day=1/a.parquet", pa.table({"id": ["1"]}))
    cursor.execute(f"CREATE STAGE stage URL = 's3://telecoms-lake/{schema}/'")
    cursor.execute("CREATE TABLE t (id INT)")
    assert cursor.execute(COPY).fetchone()[1] == "LOADED"
    return cursor


def count(cursor: Any) -> int:
    """How many rows are in the table."""
    return cursor.execute("SELECT COUNT(*) FROM t").fetchone()[0]


def test_once(cursor: Any) -> None:
    """A file is loaded once."""
    assert cursor.execute(COPY).fetchone() == NOTHING
    assert count(cursor) == 1


def test_changed_file(cursor: Any, lake: Any, schema: str) -> None:
    """A changed file is loaded again."""
    lake.put(f"{schema}/day=1/a.parquet", pa.table({"id": ["2", "3"]}))
    assert cursor.execute(COPY).fetchone()[3] == 2
    assert count(cursor) == 3


def test_new_files(cursor: Any, lake: Any, schema: str) -> None:
    """The result of COPY lists only new files."""
    lake.put(f"{schema}/day=2/b.parquet", pa.table({"id": ["4"]}))
    found = cursor.execute(COPY).fetchall()
    assert [(row[0], row[3]) for row in found] == [(f"s3://telecoms-lake/{schema}/day=2/b.parquet", 1)]


def test_truncate(cursor: Any) -> None:
    """TRUNCATE clears the load history."""
    cursor.execute("TRUNCATE TABLE t")
    assert cursor.execute(COPY).fetchone()[1] == "LOADED"


def test_delete(cursor: Any) -> None:
    """DELETE keeps the load history."""
    cursor.execute("DELETE FROM t")
    assert cursor.execute(COPY).fetchone() == NOTHING


def test_create_if_not_exists(cursor: Any) -> None:
    """CREATE TABLE IF NOT EXISTS of an existing table keeps the load history."""
    cursor.execute("CREATE TABLE IF NOT EXISTS t (id INT)")
    assert cursor.execute(COPY).fetchone() == NOTHING


def test_replaced_table(cursor: Any) -> None:
    """A replaced table has no load history."""
    cursor.execute("CREATE OR REPLACE TABLE t (id INT)")
    assert cursor.execute(COPY).fetchone()[1] == "LOADED"


def test_rollback(cursor: Any, lake: Any, schema: str) -> None:
    """A load that was rolled back is not in the history."""
    lake.put(f"{schema}/day=2/b.parquet", pa.table({"id": ["4"]}))
    for statement in ("BEGIN", COPY, "ROLLBACK"):
        cursor.execute(statement)
    assert count(cursor) == 1
    assert cursor.execute(COPY).fetchone()[1] == "LOADED"


def test_renamed_table(cursor: Any) -> None:
    """A renamed and a swapped table keep their load history."""
    cursor.execute("CREATE TABLE u LIKE t")
    cursor.execute("ALTER TABLE t SWAP WITH u")
    assert cursor.execute(COPY).fetchone()[1] == "LOADED"
    cursor.execute("ALTER TABLE t RENAME TO v")
    assert cursor.execute(COPY.replace("INTO t", "INTO v")).fetchone() == NOTHING


def test_all_or_nothing(cursor: Any, lake: Any, schema: str) -> None:
    """One bad file keeps all files of its COPY from loading, and the message names it."""
    lake.put(f"{schema}/day=2/good.parquet", pa.table({"id": ["5"]}))
    lake.put(f"{schema}/day=3/wrong.parquet", pa.table({"id": ["6", "seven"]}))
    with pytest.raises(ProgrammingError) as failed:
        cursor.execute(COPY)
    assert "Numeric value 'seven' is not recognized" in str(failed.value)
    assert f"File '{schema}/day=3/wrong.parquet', line 2" in str(failed.value)
    assert 'column "ID"' in str(failed.value)
    assert count(cursor) == 1


def test_missing_column(cursor: Any, lake: Any, schema: str) -> None:
    """A required column that the file lacks is an error."""
    cursor.execute("CREATE OR REPLACE TABLE t (id INT, must VARCHAR NOT NULL)")
    with pytest.raises(IntegrityError, match="NULL result in a non-nullable column 'MUST'") as failed:
        cursor.execute(COPY)
    assert "a.parquet" in str(failed.value)


def test_named_files(cursor: Any) -> None:
    """A named file that was loaded before is skipped."""
    found = cursor.execute(f"{COPY} FILES = ('day=1/a.parquet')").fetchone()
    assert (found[1], found[6]) == ("LOAD_SKIPPED", "File was loaded before.")


def test_purge(cursor: Any) -> None:
    """PURGE deletes the loaded files."""
    cursor.execute(f"{COPY} FORCE = TRUE PURGE = TRUE")
    assert cursor.execute("LIST @stage").fetchall() == []


def test_parquet_types(cursor: Any, lake: Any, schema: str) -> None:
    """Dates, times, decimals, lists and NULL are loaded from Parquet unchanged."""
    at = dt.datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)
    table = pa.table(
        {
            "d": pa.array([at.date(), None]),
            "ts": pa.array([at, None], pa.timestamp("us", "UTC")),
            "n": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
            "l": pa.array([["a", "b"], None]),
            "f": pa.array([0.5, None]),
            "b": pa.array([True, None]),
        }
    )
    lake.put(f"{schema}/types/t.parquet", table)
    cursor.execute("CREATE TABLE types (d DATE, ts TIMESTAMP_NTZ, n NUMBER(10, 2), l VARIANT, f FLOAT, b BOOLEAN)")
    cursor.execute(COPY.replace("INTO t", "INTO types").replace("@stage", "@stage/types"))
    assert cursor.execute("SELECT * FROM types ORDER BY d").fetchall() == [
        (at.date(), at.replace(tzinfo=None), Decimal("1.50"), '[\n  "a",\n  "b"\n]', 0.5, True),
        (None,) * 6,
    ]

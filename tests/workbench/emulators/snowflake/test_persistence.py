"""The data after a restart and after kill -9."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from snowflake.connector.errors import ProgrammingError

from workbench.emulators import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SETUP = (
    "CREATE SCHEMA raw",
    "CREATE TABLE t (id VARCHAR, at TIMESTAMP_NTZ)",
    "INSERT INTO t VALUES ('kept', NULL)",
    "CREATE STAGE lake URL = 's3://telecoms-lake/kept/' FILE_FORMAT = (FORMAT_NAME = parquet)",
    "CREATE FILE FORMAT parquet TYPE = PARQUET",
    "CREATE VIEW v AS SELECT INITCAP(id) AS id FROM t",
    "COMMENT ON TABLE t IS 'kept'",
    "CREATE DATABASE gone",
    "CREATE DATABASE other",
    "CREATE TABLE other.public.t AS SELECT 1 AS a",
    "DROP DATABASE gone",
    "USE SCHEMA telecoms.raw",
)
COPY = "COPY INTO t FROM @lake MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"


@contextmanager
def running(data: Path, connecting: Callable[..., Any], lake: type) -> Iterator[Any]:
    """An emulator over a data directory, its bucket and a cursor in RAW."""
    with serve(data) as there, connecting(there, schema="RAW") as connection:
        yield there, lake(there.s3_url), connection.cursor()


def test_kill(tmp_path: Path, connecting: Callable[..., Any], lake: Any, people: Any) -> None:
    """Databases, their objects, comments and load history survive `kill -9`; uncommitted data does not."""
    with running(tmp_path, connecting, type(lake)) as (there, files, cursor):
        for statement in SETUP:
            cursor.execute(statement)
        files.put("kept/people.parquet", people)
        assert cursor.execute(COPY).fetchone()[1] == "LOADED"
        for statement in ("BEGIN", "INSERT INTO t VALUES ('lost', NULL)"):
            cursor.execute(statement)
        os.kill(there.pid, signal.SIGKILL)
    with running(tmp_path, connecting, type(lake)) as (_, _, cursor):
        answers = {
            "SELECT COUNT(*) FROM t": [(4,)],
            "SELECT at FROM t WHERE id = 'kept'": [(None,)],
            "SELECT id FROM v WHERE id = 'Kept'": [("Kept",)],
            "SELECT comment FROM INFORMATION_SCHEMA.TABLES WHERE table_name = 'T'": [("kept",)],
            "SELECT a FROM other.public.t": [(1,)],
            "SHOW DATABASES LIKE 'gone'": [],
            COPY: [("Copy executed with 0 files processed.",)],
        }
        assert {statement: cursor.execute(statement).fetchall() for statement in answers} == answers


def test_full_disk(tmp_path: Path, connecting: Callable[..., Any], lake: Any) -> None:
    """A full disk is an error of the statement; the data stays, and the account works again once there is room."""
    with running(tmp_path, connecting, type(lake)) as (there, _, cursor):
        cursor.execute("CREATE SCHEMA raw")
        cursor.execute("CREATE TABLE t AS SELECT 1 AS a")
        _, hard = resource.prlimit(there.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(there.pid, resource.RLIMIT_FSIZE, (2_000_000, hard))
        with pytest.raises(ProgrammingError, match="disk of the emulator's data directory is full"):
            cursor.execute("CREATE TABLE big AS SELECT UUID_STRING() AS u FROM TABLE(GENERATOR(ROWCOUNT => 200000))")
        assert cursor.execute("SELECT a FROM t").fetchall() == [(1,)]
        resource.prlimit(there.pid, resource.RLIMIT_FSIZE, (hard, hard))
        cursor.execute("INSERT INTO t VALUES (2)")
        assert cursor.execute("SELECT a FROM t ORDER BY a").fetchall() == [(1,), (2,)]


def test_damaged_file(tmp_path: Path) -> None:
    """A damaged file is named at the start, with the fix and without a traceback."""
    (tmp_path / "snowflake").mkdir()
    (tmp_path / "snowflake" / "BROKEN.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(RuntimeError, match=r"BROKEN\.db cannot be used") as failed, serve(tmp_path):
        pass
    assert "Traceback" not in str(failed.value)


def test_missing_file(tmp_path: Path, connecting: Callable[..., Any]) -> None:
    """The log of a database whose file is missing is kept: DuckDB would delete it and start with an empty database."""
    with serve(tmp_path) as there:
        with connecting(there) as connection:
            connection.cursor().execute("CREATE TABLE public.t AS SELECT 1 AS a")
        os.kill(there.pid, signal.SIGKILL)
    log = tmp_path / "snowflake/TELECOMS.db.wal"
    before = log.read_bytes()
    (tmp_path / "snowflake/TELECOMS.db").rename(tmp_path / "elsewhere")

    with pytest.raises(RuntimeError, match=r"TELECOMS\.db is missing") as failed, serve(tmp_path):
        pass

    assert "Traceback" not in str(failed.value)
    assert log.read_bytes() == before
    (tmp_path / "elsewhere").rename(tmp_path / "snowflake/TELECOMS.db")
    with serve(tmp_path) as there, connecting(there) as connection:
        assert connection.cursor().execute("SELECT a FROM public.t").fetchall() == [(1,)]

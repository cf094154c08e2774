"""Values bound by the client and by the server."""

# ruff: noqa: S608, DTZ001 -- the names are the test's own; TIMESTAMP_NTZ has no zone

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VALUES: list[Any] = [
    'it\'s 100% "quoted" \\ ok',
    "",
    42,
    -42,
    2.5,
    Decimal("12.50"),
    True,
    None,
    dt.date(2024, 2, 29),
    dt.datetime(2024, 2, 29, 1, 2, 3, 456789),
    dt.datetime(1969, 12, 31, 23, 59, 59, 1),
    dt.time(1, 2, 3),
    b"\x00\xff",
]


@pytest.fixture(scope="module", params=["pyformat", "qmark", "numeric"])
def styled(request: pytest.FixtureRequest, running: Any, connecting: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """A mark of one of the connector's styles, and a cursor that takes it."""
    mark = {"pyformat": "%s", "qmark": "?", "numeric": ":1"}[request.param]
    with connecting(running, paramstyle=request.param, schema="PUBLIC") as connection:
        yield mark, connection.cursor()


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values(styled: tuple[str, Any], value: Any) -> None:
    """A bound value is returned unchanged, through a column of its type, in each of the connector's styles."""
    mark, cursor = styled
    kinds = {
        str: "VARCHAR", int: "INT", float: "FLOAT", Decimal: "NUMBER(10, 2)", bool: "BOOLEAN", type(None): "VARCHAR",
        dt.date: "DATE", dt.datetime: "TIMESTAMP_NTZ", dt.time: "TIME", bytes: "BINARY",
    }  # fmt: skip
    cursor.execute(f"CREATE OR REPLACE TEMPORARY TABLE t (v {kinds[type(value)]})")
    cursor.execute(f"INSERT INTO t SELECT {mark}", (value,))
    assert cursor.execute("SELECT v FROM t").fetchone() == (value,)
    if value is not None:
        assert cursor.execute(f"SELECT COUNT(*) FROM t WHERE v = {mark}", (value,)).fetchone() == (1,)


@pytest.mark.parametrize("style", ["pyformat", "qmark"])
def test_many_rows(connect: Callable[..., Any], schema: str, style: str) -> None:
    """Many rows are bound at once."""
    cursor = connect(schema=schema, paramstyle=style).cursor()
    cursor.execute("CREATE TABLE t (id INT, v VARCHAR, at TIMESTAMP_NTZ)")
    mark = "%s, %s, %s" if style == "pyformat" else "?, ?, ?"
    at = dt.datetime(2024, 2, 29, 1, 2, 3, 456789)
    rows = [(n - 250, None if n % 2 else f"it's \\ {n}", at + dt.timedelta(seconds=n)) for n in range(500)]
    cursor.executemany(f"INSERT INTO t (ID, v, at) VALUES ({mark})", rows)
    assert cursor.rowcount == 500
    assert cursor.execute("SELECT * FROM t ORDER BY id").fetchall() == rows


def test_named(connect: Callable[..., Any]) -> None:
    """Parameters are bound by name."""
    cursor = connect().cursor()
    assert cursor.execute("SELECT %(a)s || %(b)s", {"a": "x", "b": "y"}).fetchone() == ("xy",)


def test_statements(connect: Callable[..., Any], schema: str) -> None:
    """Placeholders work in every kind of statement."""
    cursor = connect(schema=schema, paramstyle="qmark").cursor()
    cursor.execute("CREATE TABLE t AS SELECT ? AS id, ? AS v", (1, "a"))
    cursor.execute(
        "MERGE INTO t USING (SELECT ? AS id, ? AS v) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v", (1, "b")
    )
    cursor.execute("UPDATE t SET v = v || ? WHERE id = ?", ("c", 1))
    cursor.execute("INSERT INTO t SELECT column1, column2 FROM VALUES (?, ?), (?, ?)", (2, "x", 3, "y"))
    cursor.execute("DELETE FROM t WHERE id IN (?, ?)", (2, 9))
    assert cursor.execute("SELECT * FROM t WHERE id < ? ORDER BY id LIMIT 5", (9,)).fetchall() == [(1, "bc"), (3, "y")]


def test_describe(connect: Callable[..., Any], schema: str) -> None:
    """A statement is described without running it."""
    cursor = connect(schema=schema).cursor()
    cursor.execute("CREATE SEQUENCE q")
    described = cursor.describe("SELECT q.NEXTVAL AS n, 'a' AS t")
    assert [(column.name, column.type_code) for column in described] == [("N", 0), ("T", 2)]
    assert cursor.execute("SELECT q.NEXTVAL").fetchone() == (1,)

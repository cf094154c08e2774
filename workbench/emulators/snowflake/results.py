"""Results in the protocol: column metadata and Arrow data as Snowflake's clients expect them.

fakesnow converts a NULL timestamp to 1970-01-01, and describes a result by running `DESCRIBE` on the statement a second
time. Here the description comes with the result.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from workbench.emulators.snowflake.errors import unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

SELECT, DML, COPY, DDL, TCL, USE, SHOW, DESCRIBE = (
    0x1000, 0x3000, 0x3600, 0x6000, 0x5000, 0x4300, 0x4400, 0x4500,
)  # fmt: skip
INSERT, UPDATE, DELETE, MERGE = 0x3100, 0x3200, 0x3300, 0x3400
"""Statement types, by the clients' numbers."""

COUNTED = frozenset({DML, INSERT, UPDATE, DELETE, MERGE})
"""Statements whose result is row counts, sent as JSON: the clients read `rowcount` from it."""

TEXT_LENGTH, BINARY_LENGTH = 16777216, 8388608

_TYPES = {
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIME": "time",
    "BLOB": "binary",
    "JSON": "variant",
    "DOUBLE": "real",
    "FLOAT": "real",
    "TIMESTAMP": "timestamp_ntz",
    "TIMESTAMP_S": "timestamp_ntz",
    "TIMESTAMP_MS": "timestamp_ntz",
    "TIMESTAMP_NS": "timestamp_ntz",
    "TIMESTAMP WITH TIME ZONE": "timestamp_tz",
    "VARCHAR": "text",
    "UUID": "text",
    '"NULL"': "text",
    "NULL": "text",
    "INTERVAL": "text",
}
_INTEGER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|INTEGER_LITERAL|BIGNUM")
_NESTED = re.compile(r".*\[\d*\]$|^(STRUCT|MAP|UNION)\(", re.DOTALL)


@dataclass(frozen=True)
class Column:
    """The metadata of one column."""

    name: str
    type: str
    precision: int | None = None
    scale: int | None = None
    length: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry in `rowtype`."""
        return {
            "name": self.name, "database": "", "schema": "", "table": "", "nullable": True, "type": self.type,
            "byteLength": self.length, "length": self.length, "precision": self.precision, "scale": self.scale,
            "collation": None,
        }  # fmt: skip


def column(name: str, duck_type: str) -> Column:
    """Return Snowflake's metadata for a column of a DuckDB type.

    :raises SnowflakeError: 000002 for a type that Snowflake does not have.
    """
    if duck_type.startswith("DECIMAL"):
        precision, scale = re.findall(r"\d+", duck_type) or (38, 0)
        return Column(name, "fixed", int(precision), int(scale))
    if _INTEGER.fullmatch(duck_type):
        return Column(name, "fixed", 38, 0)
    if duck_type.startswith("ENUM"):
        return Column(name, "text", length=TEXT_LENGTH)
    if _NESTED.match(duck_type):
        return Column(name, "variant")
    kind = _TYPES.get(duck_type)
    if kind is None:
        raise unsupported(f"a result of type {duck_type}")
    if kind.startswith("time"):
        return Column(name, kind, 0, 9)
    return Column(name, kind, length={"text": TEXT_LENGTH, "binary": BINARY_LENGTH}.get(kind))


@dataclass
class Result:
    """The result of a statement.

    :param kind: a statement type.
    :param rowcount: rows affected; for a query, rows returned.
    """

    columns: list[Column]
    table: pa.Table
    kind: int = SELECT
    rowcount: int = 0
    query_id: str = field(default_factory=lambda: str(uuid4()))

    def named(self, names: Sequence[str]) -> Result:
        """Return the result with other column names."""
        columns = [
            Column(name, c.type, c.precision, c.scale, c.length) for name, c in zip(names, self.columns, strict=True)
        ]
        return Result(columns, self.table.rename_columns(list(names)), self.kind, self.rowcount, self.query_id)

    def typed(self, kinds: Sequence[str | None] | None) -> Result:
        """Return the result with semi-structured columns as OBJECT or ARRAY where the query shows that."""
        if not kinds or len(kinds) != len(self.columns):
            return self
        self.columns = [
            Column(each.name, kind) if kind and each.type == "variant" else each
            for each, kind in zip(self.columns, kinds, strict=True)
        ]
        return self

    def payload(self) -> dict[str, Any]:
        """Return the columns and rows as a part of the protocol's response."""
        data: dict[str, Any] = {
            "rowtype": [each.to_json() for each in self.columns],
            "total": self.table.num_rows,
            "returned": self.table.num_rows,
            "queryId": self.query_id,
            "statementTypeId": self.kind,
        }
        if self.kind in COUNTED:
            rows = zip(*(each.to_pylist() for each in self.table.columns), strict=True)
            return data | {
                "queryResultFormat": "json",
                "rowset": [[None if v is None else str(v) for v in row] for row in rows],
            }
        encoded = b64encode(_ipc(_wire(self.table, self.columns))).decode() if self.columns else ""
        return data | {"queryResultFormat": "arrow", "rowsetBase64": encoded}


def fetched(duck: duckdb.DuckDBPyConnection, kind: int = SELECT) -> Result:
    """Return the result of the connection's last statement."""
    described = duck.description or []
    table = duck.to_arrow_table()
    columns = [column(name, str(duck_type)) for name, duck_type, *_ in described]
    # Two columns of a result may have the same name; DuckDB adds a number to the second one.
    return Result(columns, table.rename_columns([each.name for each in columns]), kind, table.num_rows)


def rows(names: Sequence[str], values: Sequence[Sequence[Any]], kind: int = SELECT) -> Result:
    """Return a result of given rows; a column's type is that of its first value."""
    columns, arrays = [], []
    for at, name in enumerate(names):
        cells = [row[at] for row in values]
        sample = next((cell for cell in cells if cell is not None), "")
        if isinstance(sample, bool):
            columns.append(Column(name, "boolean"))
            arrays.append(pa.array(cells, pa.bool_()))
        elif isinstance(sample, int):
            columns.append(Column(name, "fixed", 38, 0))
            arrays.append(pa.array(cells, pa.int64()))
        elif hasattr(sample, "isoformat"):
            columns.append(Column(name, "timestamp_tz", 0, 9))
            arrays.append(pa.array(cells, pa.timestamp("us", "UTC")))
        else:
            columns.append(Column(name, "text", length=TEXT_LENGTH))
            arrays.append(pa.array([None if cell is None else str(cell) for cell in cells], pa.string()))
    return Result(columns, pa.Table.from_arrays(arrays, names=list(names)), kind, len(values))


def status(message: str = "Statement executed successfully.", kind: int = DDL) -> Result:
    """Return Snowflake's result of one cell."""
    return rows(["status"], [[message]], kind)


def counts(kind: int, **counted: int) -> Result:
    """Return the result of a DML statement: `inserted=3` becomes `number of rows inserted`."""
    names = [f"number of {'multi-joined rows updated' if key == 'multi' else f'rows {key}'}" for key in counted]
    answer = rows(names, [list(counted.values())], kind)
    answer.rowcount = sum(value for key, value in counted.items() if key != "multi")
    return answer


def _ipc(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _wire(table: pa.Table, columns: list[Column]) -> pa.Table:
    arrays = [_array(array.combine_chunks(), each) for array, each in zip(table.columns, columns, strict=True)]
    fields = [
        pa.field(
            each.name,
            array.type,
            metadata={
                "logicalType": each.type.upper(),
                "precision": str(each.precision if each.precision is not None else 38),
                "scale": str(each.scale or 0),
                "charLength": str(each.length or 0),
            },
        )
        for array, each in zip(arrays, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _array(array: pa.Array, about: Column) -> pa.Array:  # noqa: PLR0911 -- one return a type
    if isinstance(array, pa.ChunkedArray):  # combine_chunks returns this for no rows
        array = pa.array([], array.type)
    if about.type.startswith("timestamp"):
        return _timestamps(array)
    if about.type == "time":
        return pc.multiply(array.cast(pa.time64("us")).cast(pa.int64()), 1000)
    if about.type == "fixed":
        return _fixed(array, about)
    if about.type in {"variant", "object", "array"}:
        return _json(array)
    if about.type == "real":
        return array.cast(pa.float64())
    if about.type == "text" and not pa.types.is_string(array.type):
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
    return array


def _fixed(array: pa.Array, about: Column) -> pa.Array:
    """Return whole numbers as 64-bit where they fit: the client converts those to `int`, others to `Decimal`."""
    if about.scale:
        return array
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        return array.cast(pa.decimal128(38, 0))


def _timestamps(array: pa.Array) -> pa.Array:
    """Return seconds and nanoseconds as Snowflake sends them; a NULL is NULL as a whole."""
    zoned = array.type.tz is not None
    nanoseconds = array.cast(pa.timestamp("us")).cast(pa.int64())
    seconds = pc.floor(pc.divide(nanoseconds.cast(pa.float64()), 1e6)).cast(pa.int64())
    fraction = pc.multiply(pc.subtract(nanoseconds, pc.multiply(seconds, 1_000_000)), 1000).cast(pa.int32())
    parts = {"epoch": pc.fill_null(seconds, 0), "fraction": pc.fill_null(fraction, pa.scalar(0, pa.int32()))}
    if zoned:
        parts["timezone"] = pa.array([1440] * len(array), pa.int32())  # minutes from UTC, plus a day
    fields = [pa.field(name, part.type, nullable=False) for name, part in parts.items()]
    return pa.StructArray.from_arrays(list(parts.values()), fields=fields, mask=pc.is_null(array))


def _json(array: pa.Array) -> pa.Array:
    """Return semi-structured values as Snowflake prints them: keys in order, indented by two blanks."""

    def printed(value: Any) -> str | None:
        if value is None:
            return None
        parsed = json.loads(value) if isinstance(value, str) else value
        return json.dumps(parsed, indent=2, sort_keys=True, ensure_ascii=False, default=str)

    return pa.array([printed(value) for value in array.to_pylist()], pa.string())

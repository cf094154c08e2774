"""Snowflake's errors with their numbers, SQL states and wording, and the mapping from DuckDB's errors to them.

The connector retries an HTTP 500 for 25 minutes, so the server answers every failure with an error of the protocol.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb
import snowflake.connector.errors
import sqlglot.errors

if TYPE_CHECKING:
    from collections.abc import Callable


INTERNAL = 603
"""Snowflake's number for an internal error."""


class SnowflakeError(Exception):
    """An error as Snowflake's clients see it.

    :param message: the text without the number and state, which the client adds.
    :param errno: Snowflake's number, such as 2003.
    :param sqlstate: five characters.
    """

    def __init__(self, message: str, errno: int, sqlstate: str) -> None:
        super().__init__(message)
        self.message = message
        self.errno = errno
        self.sqlstate = sqlstate

    @property
    def code(self) -> str:
        """The number as six digits, as in the protocol."""
        return f"{self.errno:06d}"


def compilation(message: str, errno: int = 1003, sqlstate: str = "42000") -> SnowflakeError:
    """Return an error that is found before the statement runs."""
    return SnowflakeError(f"SQL compilation error:\n{message}", errno, sqlstate)


def unsupported(construct: str) -> SnowflakeError:
    """Return Snowflake's error for an unsupported feature, for what the emulator does not support."""
    return SnowflakeError(f"Unsupported feature '{construct}'. (The emulator does not support it.)", 2, "0A000")


def missing(kind: str, name: str) -> SnowflakeError:
    """Return the error for an object that does not exist; its number and state depend on the kind."""
    sqlstate = "42S02" if kind in {"Object", "Table", "View"} else "02000"
    errno = 2043 if kind in {"Schema", "Database"} else 2003
    return compilation(f"{kind} '{name}' does not exist or not authorized.", errno, sqlstate)


def exists(name: str) -> SnowflakeError:
    """Return the error for a name that is taken."""
    return compilation(f"Object '{name}' already exists.", 2002, "42710")


def syntax(error: sqlglot.errors.ParseError) -> SnowflakeError:
    """Return Snowflake's error for a syntax error; Snowflake counts columns from 0, sqlglot from 1."""
    where = error.errors[0] if error.errors else {}
    highlighted = str(where.get("highlight") or "")
    line, column = where.get("line") or 1, max((where.get("col") or 1) - len(highlighted), 0)
    return compilation(
        f"syntax error line {line} at position {column} unexpected '{where.get('highlight') or '<EOF>'}'."
    )


_SPECIFIERS = {
    "%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD", "%b": "MON", "%H": "HH24", "%I": "HH12", "%M": "MI", "%S": "SS",
    "%f": "FF6", "%n": "FF9", "%p": "AM", "%a": "DY", "%B": "MMMM",
}  # fmt: skip


def _misfit(text: str, form: str) -> SnowflakeError:
    what = "timestamp" if re.search("%[HIMS]", form) else "date"
    for specifier, part in _SPECIFIERS.items():
        form = form.replace(specifier, part)
    return SnowflakeError(f"Can't parse '{text}' as {what} with format '{form}'", 100096, "22007")


def _unrecognised(what: str, errno: int, sqlstate: str) -> Callable[[re.Match[str]], SnowflakeError]:
    return lambda found: SnowflakeError(f"{what} '{found[1]}' is not recognized", errno, sqlstate)


_Patterns = list[tuple[str, "Callable[[re.Match[str]], SnowflakeError]"]]

_CONVERSIONS: _Patterns = [
    (r"date field (?:format|value)[^\"]*\"([^\"]*)\"", _unrecognised("Date", 100040, "22007")),
    (r"timestamp field (?:format|value)[^\"]*\"([^\"]*)\"", _unrecognised("Timestamp", 100035, "22007")),
    (r"time field (?:format|value)[^\"]*\"([^\"]*)\"", _unrecognised("Time", 100108, "22007")),
    (
        r"Could not parse string \"([^\"]*)\" according to format specifier \"([^\"]*)\"",
        lambda found: _misfit(found[1], found[2]),
    ),
    (
        r"Malformed JSON at byte \d+ of input: (.*)",
        lambda found: SnowflakeError(f"Error parsing JSON: {found[1]}", 100069, "22P02"),
    ),
    (r"Unknown TimeZone '([^']*)'", _unrecognised("Timestamp", 100035, "22007")),
    (r"string ['\"](.*)['\"] to BOOL", _unrecognised("Boolean value", 100037, "22018")),
    (
        r"string ['\"](.*)['\"] to (?:U?INT|DECIMAL|DOUBLE|FLOAT|HUGEINT)",
        _unrecognised("Numeric value", 100038, "22018"),
    ),
    (
        r"Could not cast value (\S+) to DECIMAL",
        lambda found: SnowflakeError(
            f"Number out of representable range: type FIXED, value {found[1]}", 100132, "22003"
        ),
    ),
]

_BINDINGS: _Patterns = [
    (
        r"(?:Referenced column \"([^\"]+)\" not found|does not have a column with name \"([^\"]+)\")",
        lambda found: compilation(f"error line 1 at position 0\ninvalid identifier '{found[1] or found[2]}'", 904),
    ),
    (
        r"Ambiguous reference to column name \"([^\"]+)\"",
        lambda found: compilation(f"error line 1 at position 0\nambiguous column name '{found[1]}'", 1052, "42601"),
    ),
    (
        r"has (\d+) columns but (\d+) values were supplied",
        lambda found: compilation(
            f"Insert value list does not match column list expecting {found[1]} but got {found[2]}", 2020, "21S01"
        ),
    ),
    (
        r"column \"([^\"]+)\" must appear in the GROUP BY",
        lambda found: compilation(
            f"error line 1 at position 0\n'{found[1]}' in select clause is neither an aggregate nor in the group by "
            "clause.",
            979,
            "42601",
        ),
    ),
    (r"Referenced table \"([^\"]+)\" not found", lambda found: compilation(f"invalid identifier '{found[1]}'", 904)),
    (
        r"(?:No function matches|Could not choose a best candidate)[^']*['\"](\w+)\(",
        lambda found: compilation(
            f"error line 1 at position 0\nInvalid argument types for function '{found[1].upper()}'", 1044, "42P13"
        ),
    ),
]

_CATALOG: _Patterns = [
    (r"with name \"?([^\s\"]+)\"? already exists", lambda found: exists(found[1])),
    (
        r"(?:Scalar|Table|Aggregate|Macro)?\s*Function with name \"?(\S+?)\"? does not exist",
        lambda found: compilation(f"Unknown function {found[1].upper()}", 2140, "42601"),
    ),
    (r"[Ss]chema with name \"?(\S+?)\"? does not exist", lambda found: missing("Schema", found[1])),
    (r"(?:Table|View) with name \"?(\S+?)\"? does not exist", lambda found: missing("Object", found[1])),
    (
        r"Existing object \"?(\S+?)\"? is of type (\w+), trying to \w+ type (\w+)",
        lambda found: compilation(
            f"Object found is of type '{found[2].upper()}', not specified type '{found[3].upper()}'.", 2203, "02000"
        ),
    ),
]

_CONSTRAINTS: _Patterns = [
    (
        r"NOT NULL constraint failed: \S+?\.\"?(\w+)",
        lambda found: SnowflakeError(f"NULL result in a non-nullable column '{found[1]}'", 100072, "22000"),
    ),
    (
        r"CHECK constraint failed.*length\(\"?(.+?)\"?\) <= (\d+)",
        lambda found: SnowflakeError(
            f"String is too long and would be truncated: column {found[1]} holds {found[2]} characters", 100078, "22000"
        ),
    ),
]


def _first(message: str, table: _Patterns) -> SnowflakeError | None:
    for pattern, make in table:
        if found := re.search(pattern, message, re.DOTALL):
            return make(found)
    return None


_ANY_KIND: _Patterns = [
    (
        "is aborted",
        lambda _: SnowflakeError(
            "The transaction was aborted by an earlier failure in it: ROLLBACK, then run it again.", 625, "57014"
        ),
    ),
    ("single attached database", lambda _: unsupported("a transaction that writes to two databases")),
    (
        r"[^\n]*(?:No space left|File too large|[Qq]uota)[^\n]*",
        lambda found: SnowflakeError(
            f"The disk of the emulator's data directory is full: {found[0].strip()}", INTERNAL, "XX000"
        ),
    ),
    ("Division by zero", lambda _: SnowflakeError("Division by zero", 100051, "22012")),
    (
        "More than one row returned by a subquery",
        lambda _: SnowflakeError("Single-row subquery returns more than one row.", 90150, "22000"),
    ),
]

_VALUES = (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException)
_BY_KIND: list[tuple[Any, _Patterns, Callable[[str], SnowflakeError]]] = [
    (duckdb.InterruptException, [], lambda _: SnowflakeError("SQL execution canceled", 604, "57014")),
    (
        duckdb.TransactionException,
        [],
        lambda line: SnowflakeError(f"The statement conflicts with another transaction: {line}", 625, "57014"),
    ),
    (duckdb.ParserException, [], compilation),
    (duckdb.CatalogException, _CATALOG, lambda line: compilation(line, 2003, "42S02")),
    (duckdb.BinderException, _BINDINGS, lambda line: compilation(line, 2028, "42601")),
    (duckdb.ConstraintException, _CONSTRAINTS, lambda line: SnowflakeError(line, 200001, "22000")),
    (_VALUES, _CONVERSIONS, lambda line: SnowflakeError(line, 100038, "22018")),
    (duckdb.NotImplementedException, [], unsupported),
]


def from_duckdb(error: duckdb.Error) -> SnowflakeError:
    """Return the closest Snowflake error; its message is DuckDB's first line where no pattern matches."""
    message = str(error)
    line = message.split("\n", maxsplit=1)[0].split(": ", 1)[-1]
    if known := _first(message, _ANY_KIND):
        return known
    for kinds, table, otherwise in _BY_KIND:
        if isinstance(error, kinds):
            return _first(message, table) or otherwise(line)
    return internal(line)


def internal(message: str) -> SnowflakeError:
    """Return the error of a statement for an unforeseen failure."""
    return SnowflakeError(
        f"SQL execution internal error:\nProcessing aborted by the emulator: {message[:800]}", INTERNAL, "XX000"
    )


def of(error: Exception) -> SnowflakeError:
    """Return any exception as the error that the client sees."""
    if isinstance(error, SnowflakeError):
        return error
    if isinstance(error, sqlglot.errors.ParseError):
        return syntax(error)
    if isinstance(error, snowflake.connector.errors.Error):  # fakesnow raises the connector's errors
        return SnowflakeError(error.raw_msg or str(error), error.errno or INTERNAL, error.sqlstate or "XX000")
    if isinstance(error, duckdb.Error):
        return from_duckdb(error)
    if isinstance(error, NotImplementedError):
        return unsupported(str(error))
    return internal(f"{type(error).__name__}: {error}")

"""COPY INTO a table.

Rewritten, because fakesnow's COPY needs DuckDB's httpfs for S3, does not support PATTERN, treats FORCE = FALSE as TRUE,
names no file in its errors and keeps another load history than Snowflake.
"""

# ruff: noqa: S608 -- names in SQL are quoted, values are bound

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from workbench.emulators.snowflake import load_history, results, stage_queries, staged_files, stages
from workbench.emulators.snowflake.errors import SnowflakeError, compilation, from_duckdb, missing, unsupported
from workbench.emulators.snowflake.external_stage import StagedFile, not_found
from workbench.emulators.snowflake.names import Name, fold, qualify, quoted
from workbench.emulators.snowflake.staged_files import LocalFile, in_file, reader, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.emulators.snowflake.results import Result
    from workbench.emulators.snowflake.sessions import Session

_HEADINGS = [
    "file", "status", "rows_parsed", "rows_loaded", "error_limit", "errors_seen", "first_error", "first_error_line",
    "first_error_character", "first_error_column_name",
]  # fmt: skip
_DONE = {"FILES", "FILE_FORMAT", "FORCE", "MATCH_BY_COLUMN_NAME", "ON_ERROR", "PATTERN", "PURGE"}
_WITHOUT_EFFECT = {"ENFORCE_LENGTH", "LOAD_UNCERTAIN_FILES", "RETURN_FAILED_ONLY", "SIZE_LIMIT", "TRUNCATECOLUMNS"}
_REFUSED = {"FILE_PROCESSOR", "INCLUDE_METADATA", "LOAD_MODE", "VALIDATION_MODE"}
_MATCHES = {"CASE_INSENSITIVE", "CASE_SENSITIVE", "NONE"}


@dataclass
class Options:
    """The options of COPY."""

    files: list[str] = field(default_factory=list)
    pattern: str | None = None
    format: dict[str, Any] = field(default_factory=dict)
    force: bool = False
    purge: bool = False
    match: str = "NONE"


@dataclass(frozen=True)
class Target:
    """The table to load.

    :param name: the name in Snowflake.
    :param sql: the name in DuckDB, which is another one for a temporary table.
    :param columns: name and DuckDB type of the columns to fill, in order.
    """

    name: Name
    sql: str
    columns: list[tuple[str, str]]
    listed: bool


@dataclass(frozen=True)
class Transformation:
    """The query of `COPY INTO t FROM (SELECT ...)`.

    :param translate: translates it to DuckDB's SQL.
    """

    query: exp.Select
    translate: Callable[[exp.Expr], str]


def options(statement: exp.Copy) -> Options:
    """Return the options of COPY.

    :raises SnowflakeError: 000002 for one that is not supported here, 001003 for one that Snowflake does not have.
    """
    given: dict[str, Any] = {}
    for each in statement.args.get("params") or []:
        name = each.this.name.upper()
        if name == "FILE_FORMAT":
            given[name] = stages.options(each.expressions)
        else:
            given[name] = stages.option(each.expression) if each.args.get("expression") else None
    _check(given)
    files = given.get("FILES", [])
    return Options(
        files=[str(file) for file in (files if isinstance(files, list) else [files])],
        pattern=given.get("PATTERN"),
        format=given.get("FILE_FORMAT", {}),
        force=bool(given.get("FORCE")),
        purge=bool(given.get("PURGE")),
        match=str(given.get("MATCH_BY_COLUMN_NAME", "NONE")).upper(),
    )


def _check(given: dict[str, Any]) -> None:
    for name, value in given.items():
        if name == "MATCH_BY_COLUMN_NAME" and str(value).upper() not in _MATCHES:
            raise compilation(f"Invalid value '{value}' for parameter MATCH_BY_COLUMN_NAME", 1008, "22023")
        if name == "ON_ERROR" and str(value).upper() != "ABORT_STATEMENT":
            raise unsupported(f"ON_ERROR = {value}")
        if name in _REFUSED or (name == "TRUNCATECOLUMNS" and value):
            raise unsupported(f"{name} in COPY INTO")
        if name not in _DONE | _WITHOUT_EFFECT:
            raise compilation(f"invalid parameter '{name}'")


def run(session: Session, statement: exp.Copy, translate: Callable[[exp.Expr], str]) -> Result:
    """Load all files whose current content is not loaded, all or none.

    :param translate: translates a query to DuckDB's SQL, for `COPY INTO t FROM (SELECT ...)`.
    """
    if isinstance(statement.this, exp.Table) and isinstance(statement.this.this, exp.Var | exp.Literal):
        raise unsupported("COPY INTO <location>: unloading")
    copying = options(statement)
    source = statement.args["files"][0]
    transformation = Transformation(source.this, translate) if isinstance(source, exp.Subquery) else None
    reference = _reference(transformation.query.args["from_"].this if transformation else source)
    stage = stages.resolve(session, reference)
    copying.format = stages.file_format(session, copying.format, stage.options)
    staged_files.check_options(copying.format)
    target = _target(session, statement.this)
    if copying.files:
        files = _named(session, stage.url, copying.files)
    else:
        files = stages.matching(session.account.objects.files(stage.url), copying.pattern)
    history = set() if copying.force else load_history.loaded(session.duck, target.name)
    loads: list[tuple[StagedFile, int]] = []
    skipped: list[StagedFile] = []
    for file in files:
        if (file.url, file.etag) in history:
            skipped.append(file)
            continue
        session.raise_if_cancelled()
        with tempfile.TemporaryDirectory(dir=session.account.scratch) as folder:
            local = LocalFile(file, session.account.objects.fetch(file, Path(folder)))
            loads.append((file, _load(session, target, local, copying, transformation)))
    load_history.record(session.duck, target.name, loads)
    if copying.purge:
        session.account.objects.remove([file for file, _ in loads])
    return _answer(loads, skipped if copying.files else [])


def _answer(loads: list[tuple[StagedFile, int]], skipped: list[StagedFile]) -> Result:
    if not loads and not skipped:
        return results.status("Copy executed with 0 files processed.", results.COPY)
    lines: list[list[Any]] = [[file.url, "LOADED", n, n, 1, 0, None, None, None, None] for file, n in loads]
    lines += [[file.url, "LOAD_SKIPPED", 0, 0, 1, 1, "File was loaded before.", None, None, None] for file in skipped]
    answer = results.rows(_HEADINGS, lines, results.COPY)
    answer.rowcount = sum(n for _, n in loads)
    return answer


def _reference(source: exp.Expr) -> str:
    inner = source.this if isinstance(source, exp.Table) else source
    if isinstance(inner, exp.Var | exp.Literal):
        return str(inner.this)
    raise unsupported(f"COPY INTO from {source.sql(dialect='snowflake')}")


def _named(session: Session, url: str, names: list[str]) -> list[StagedFile]:
    base = url if url.endswith("/") else f"{url}/"
    there: dict[str, StagedFile] = {}
    for name in names:
        wanted = base + name.lstrip("/")
        there |= {file.url: file for file in session.account.objects.files(wanted)}
        if wanted not in there:
            raise not_found(wanted.removeprefix("s3://").partition("/")[2])
    return [there[base + name.lstrip("/")] for name in names]


def _target(session: Session, this: exp.Expr) -> Target:
    table = this.this if isinstance(this, exp.Schema) else this
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        raise unsupported("COPY INTO <location>: unloading")
    name = qualify(session, table, "COPY")
    physical = session.temporary.get(name)
    sql = quoted(physical) if physical else name.sql
    try:
        described = session.duck.execute(f"DESCRIBE {sql}").fetchall()
    except duckdb.CatalogException as error:
        raise missing("Table", str(name)) from error
    columns = [(row[0], row[1]) for row in described]
    if not isinstance(this, exp.Schema):
        return Target(name, sql, columns, listed=False)
    types = {column.upper(): (column, kind) for column, kind in columns}
    wanted = [fold(each if isinstance(each, exp.Identifier) else each.this) for each in this.expressions]
    for column in wanted:
        if column.upper() not in types:
            raise compilation(f"invalid identifier '{column}'", 904)
    return Target(name, sql, [types[column.upper()] for column in wanted], listed=True)


def _load(
    session: Session,
    target: Target,
    file: LocalFile,
    copying: Options,
    transformation: Transformation | None,
) -> int:
    kind = copying.format["TYPE"]
    into = f"INSERT INTO {target.sql} ({', '.join(quoted(column) for column, _ in target.columns)})"
    try:
        if transformation is not None:
            return _load_query(session, into, file, copying.format, transformation)
        values, source = _values(session.duck, target, file, copying)
        chosen = ", ".join(_fitting(value, wanted) for value, (_, wanted) in zip(values, target.columns, strict=True))
    except (duckdb.InvalidInputException, duckdb.IOException, duckdb.InternalException) as error:
        raise unreadable(error, file, kind) from error
    except duckdb.Error as error:
        if type(error) is duckdb.Error:  # the Parquet reader's error for a damaged page
            raise unreadable(error, file, kind) from error
        raise
    try:
        return int(session.duck.execute(f"{into} SELECT {chosen} FROM {source}").fetchall()[0][0])
    except (duckdb.ConversionException, duckdb.ConstraintException) as error:
        raise _located(session, error, file, source, list(zip(values, target.columns, strict=True))) from error
    except duckdb.InvalidInputException as error:
        raise (
            _broken_row(error, file, len(target.columns)) if kind == "CSV" else unreadable(error, file, kind)
        ) from error
    except duckdb.IOException as error:
        raise unreadable(error, file, kind) from error


def _load_query(
    session: Session,
    into: str,
    file: LocalFile,
    options: dict[str, Any],
    transformation: Transformation,
) -> int:
    select = transformation.query.copy()
    source = select.args["from_"].this
    with stage_queries.view(session, source, [file], options, stage_queries.highest_dollar(select)):
        try:
            return int(session.duck.execute(f"{into} {transformation.translate(select)}").fetchall()[0][0])
        except (duckdb.ConversionException, duckdb.ConstraintException) as error:
            raise in_file(from_duckdb(error), file) from error


def _values(
    duck: duckdb.DuckDBPyConnection, target: Target, file: LocalFile, copying: Options
) -> tuple[list[tuple[str, str]], str]:
    """Return the expression and its type for each column of the target, and the relation to read."""
    kind = copying.format["TYPE"]
    source = reader(file, copying.format, len(target.columns))
    if kind == "CSV":
        if copying.match != "NONE":
            raise unsupported("MATCH_BY_COLUMN_NAME with CSV")
        return [(f"c{at}", "VARCHAR") for at in range(1, len(target.columns) + 1)], source
    if copying.match == "NONE":
        if [wanted for _, wanted in target.columns] != ["JSON"]:
            raise compilation(
                f"{kind} file format can produce one and only one column of type variant, object, or array. Load data "
                "into separate columns using the MATCH_BY_COLUMN_NAME copy option or copy with transformation.",
                2019,
                "0A000",
            )
        return [("json" if kind == "JSON" else "to_json(t)", "JSON")], f"{source} AS t"
    if kind == "JSON":
        keys = {
            key: key for (key,) in duck.execute(f"SELECT DISTINCT unnest(json_keys(json)) FROM {source}").fetchall()
        }
        found = {key: (f"(json ->> {_path(key)})", "VARCHAR") for key in keys}
    else:
        described = duck.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        found = {row[0]: (quoted(row[0]), row[1]) for row in described}
    if copying.match == "CASE_INSENSITIVE":
        found = {name.upper(): each for name, each in found.items()}
        return [found.get(name.upper(), ("NULL", "NULL")) for name, _ in target.columns], source
    return [found.get(name, ("NULL", "NULL")) for name, _ in target.columns], source


def _path(key: str) -> str:
    return "'$." + '"' + key.replace("'", "''").replace('"', '\\"') + '"' + "'"


def _fitting(value: tuple[str, str], wanted: str) -> str:
    expression, given = value
    if wanted == "JSON" and given not in {"JSON", "NULL"}:
        return f"to_json({expression})"
    if wanted == "VARCHAR" and re.search(r"\]$|^(STRUCT|MAP)", given):
        return f"to_json({expression})::VARCHAR"
    return expression if given in {wanted, "NULL"} else f"CAST({expression} AS {wanted})"


def _located(
    session: Session,
    error: duckdb.Error,
    file: LocalFile,
    source: str,
    columns: list[tuple[tuple[str, str], tuple[str, str]]],
) -> SnowflakeError:
    """Return the error with the first row and column that do not fit, after a load has failed."""
    with session.duck.cursor() as duck:
        for (expression, given), (name, wanted) in columns:
            bad = f"{expression} IS NOT NULL AND TRY_CAST({expression} AS {wanted}) IS NULL"
            if isinstance(error, duckdb.ConstraintException):
                if f".{name}" not in str(error) and f'"{name}"' not in str(error):
                    continue
                bad = f"{expression} IS NULL"
            elif given in {wanted, "NULL"} or wanted == "JSON":
                continue
            row = duck.execute(
                f"SELECT row, cell FROM (SELECT row_number() OVER () AS row, {expression} AS cell, {bad} AS bad "
                f"FROM {source}) WHERE bad ORDER BY row LIMIT 1"
            ).fetchone()
            if row:
                found = from_duckdb(error) if isinstance(error, duckdb.ConstraintException) else _misfit(row[1], wanted)
                return in_file(found, file, row[0], f'"{name}"')
    return in_file(from_duckdb(error), file)


def _misfit(cell: Any, wanted: str) -> SnowflakeError:
    what, errno, sqlstate = {
        "DATE": ("Date", 100040, "22007"),
        "TIMESTAMP": ("Timestamp", 100035, "22007"),
        "TIMESTAMP WITH TIME ZONE": ("Timestamp", 100035, "22007"),
        "TIME": ("Time", 100108, "22007"),
        "BOOLEAN": ("Boolean value", 100037, "22018"),
    }.get(wanted, ("Numeric value", 100038, "22018"))
    return SnowflakeError(f"{what} '{cell}' is not recognized", errno, sqlstate)


def _broken_row(error: duckdb.Error, file: LocalFile, width: int) -> SnowflakeError:
    message = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", message)
    row = int(line[1]) if line else None
    if found := re.search(r"Expected Number of Columns: \d+ Found: (\d+)", message):
        text = (
            f"Number of columns in file ({found[1]}) does not match that of the corresponding table ({width}), "
            "use file format option error_on_column_count_mismatch=false to ignore this error"
        )
        return in_file(SnowflakeError(text, 100080, "22000"), file, row)
    if "unicode" in message.lower() or "utf-8" in message.lower():
        return in_file(SnowflakeError("Invalid UTF8 detected in string", 100144, "22000"), file, row)
    cause = re.search(r"\n(.*quote.*|.*terminated.*)", message, re.IGNORECASE)
    text = message.split("\n", 1)[0]
    if cause:
        text = f"Found a character where a field delimiter or the end of the row was expected: {cause[1].strip()}"
    return in_file(SnowflakeError(text, 100066, "22000"), file, row)

"""Queries on staged files: `SELECT $1, METADATA$FILENAME FROM @stage/path (FILE_FORMAT => ..., PATTERN => ...)`."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import duckdb
from sqlglot import exp

from workbench.emulators.snowflake import staged_files, stages
from workbench.emulators.snowflake.names import quoted
from workbench.emulators.snowflake.staged_files import LocalFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.emulators.snowflake.sessions import Session


def references(statement: exp.Expr) -> list[exp.Table]:
    """Return the stages that a query reads."""
    return [
        table
        for table in statement.find_all(exp.Table)
        if isinstance(table.this, exp.Var | exp.Literal) and str(table.this.this).startswith("@")
    ]


def highest_dollar(query: exp.Expr) -> int:
    """Return the highest n of the `$n` in a query."""
    found = [int(each.name) for each in query.find_all(exp.Parameter) if each.name.isdigit()]
    return max(found, default=1)


@contextlib.contextmanager
def opened(session: Session, statement: exp.Expr) -> Iterator[None]:
    """Replace the stages in a statement by their files, until the block ends."""
    with contextlib.ExitStack() as stack:
        for table in references(statement):
            stage = stages.resolve(session, str(table.this.this))
            named = table.args.get("format")
            given = {"FORMAT_NAME": named.sql(dialect="snowflake").strip("'")} if named else {}
            options = stages.file_format(session, given, stage.options)
            staged_files.check_options(options)
            pattern = table.args.get("pattern")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=session.account.scratch)))
            chosen = stages.matching(session.account.objects.files(stage.url), pattern.name if pattern else None)
            files = [LocalFile(file, session.account.objects.fetch(file, folder)) for file in chosen]
            stack.enter_context(view(session, table, files, options, highest_dollar(statement)))
        yield


def _use_columns(query: exp.Expr, columns: set[str]) -> None:
    """Read `$1:name::TYPE` from Parquet's own column: JSON would take ten times as long."""
    for path in list(query.find_all(exp.JSONExtract)):
        parts = path.expression.expressions if isinstance(path.expression, exp.JSONPath) else []
        whole = path.this.this if isinstance(path.this, exp.Column) else path.this
        if not (isinstance(whole, exp.Parameter) and whole.name == "1" and isinstance(path.parent, exp.Cast)):
            continue
        if len(parts) == 2 and isinstance(parts[1], exp.JSONPathKey):  # noqa: PLR2004 -- the root and one key
            key = str(parts[1].this)
            path.replace(exp.column(exp.to_identifier(key, quoted=True)) if key in columns else exp.Null())


@contextlib.contextmanager
def view(
    session: Session, table: exp.Table, files: list[LocalFile], options: dict[str, Any], dollars: int
) -> Iterator[None]:
    """Replace a stage reference in a query by a relation of these files; `$n` becomes a column of it."""
    name = f"_staged_{uuid4().hex}"
    sql = staged_files.relation(session.duck, files, options, dollars)
    session.duck.execute(f"CREATE TEMPORARY VIEW {quoted(name)} AS {sql}")
    query = table.root()
    table.set("this", exp.to_identifier(name, quoted=True))
    table.set("format", None)
    table.set("pattern", None)
    if options["TYPE"] == "PARQUET":
        described = session.duck.execute(f"DESCRIBE {quoted(name)}").fetchall()
        _use_columns(query, {row[0] for row in described})
    for dollar in list(query.find_all(exp.Parameter)):
        if dollar.name.isdigit():
            column = exp.to_identifier(f"${dollar.name}", quoted=True)
            dollar.replace(column if isinstance(dollar.parent, exp.Column) else exp.Column(this=column))
    for column in query.find_all(exp.Column):
        if column.name.upper().startswith("METADATA$"):
            column.set("this", exp.to_identifier(column.name.upper(), quoted=True))
    try:
        yield
    finally:
        with contextlib.suppress(duckdb.TransactionException):  # a file that could not be read has aborted it
            session.duck.execute(f"DROP VIEW IF EXISTS {quoted(name)}")

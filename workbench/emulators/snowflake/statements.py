"""Running a statement: parsing, choosing its handler, with transactions and locks around it."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import duckdb
import sqlglot
import sqlglot.errors
from sqlglot import exp

from workbench.emulators.snowflake import (
    column_names,
    commands,
    copy_into,
    ddl,
    dml,
    preparation,
    refusals,
    results,
    rewrites,
    stage_queries,
    stages,
)
from workbench.emulators.snowflake.engine import Translator
from workbench.emulators.snowflake.errors import SnowflakeError, compilation, missing, unsupported
from workbench.emulators.snowflake.names import Name, fold, qualify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workbench.emulators.snowflake.preparation import Bindings
    from workbench.emulators.snowflake.results import Result
    from workbench.emulators.snowflake.sessions import Session

MANY = 20
"""The number of rows from which on an INSERT of constants is not translated."""

_PLAIN = {exp.DataType.Type.DATE, exp.DataType.Type.TIME, exp.DataType.Type.TIMESTAMPNTZ, exp.DataType.Type.TIMESTAMPTZ}
_DML = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Copy, exp.TruncateTable)
_DDL = (exp.Create, exp.Drop, exp.Alter, exp.Comment)


_VERBS = {
    "ALTER", "ANALYZE", "BEGIN", "CACHE", "CALL", "CHECKPOINT", "COMMENT", "COMMIT", "COPY", "CREATE", "DECLARE",
    "DELETE", "DESC", "DESCRIBE", "DROP", "EXECUTE", "EXPLAIN", "EXPORT", "FROM", "GET", "GRANT", "IMPORT",
    "INSERT", "INSTALL", "KILL", "LET", "LIST", "LOAD", "LS", "MERGE", "PRAGMA", "PUT", "REMOVE", "REVOKE", "RM",
    "ROLLBACK", "SELECT", "SET", "SHOW", "START", "TRUNCATE", "UNDROP", "UNSET", "UPDATE", "USE", "VACUUM",
    "VALUES", "WITH",
}  # fmt: skip
"""The first words of statements in Snowflake, and of those in DuckDB that are refused by name."""


def parse(text: str) -> list[tuple[str, exp.Expr]]:
    """Return the statements in a text, each with its own text, without comments and semicolons.

    :raises SnowflakeError: 001003 for a syntax error, 000900 where the text holds no statement.
    """
    pieces = _pieces(text)
    if not pieces:
        raise SnowflakeError("Empty SQL statement.", 900, "42601")
    refusals.refuse_scripting(pieces[0])
    return [(piece, _parsed(piece)) for piece in pieces]


def _parsed(piece: str) -> exp.Expr:
    first = re.match(r"[A-Za-z]\w*", piece)
    if first and first[0].upper() not in _VERBS:  # sqlglot would parse it as a column with an alias
        raise compilation(f"syntax error line 1 at position 0 unexpected '{first[0]}'.")
    return sqlglot.parse_one(piece, read="snowflake")


def _pieces(text: str) -> list[str]:
    """Split at the semicolons of the tokenizer: those in string constants and comments do not count."""
    found, start, seen = [], 0, False
    for token in sqlglot.tokenize(text, read="snowflake"):
        if token.token_type == sqlglot.TokenType.SEMICOLON:
            if seen:
                found.append(refusals.body(text[start : token.start]))
            start, seen = token.end + 1, False
        else:
            seen = True
    return found + ([refusals.body(text[start:])] if seen else [])


def run(session: Session, text: str, bindings: Bindings | None = None, *, rows: int | None = None) -> Result:
    """Run one statement and return its result.

    :param bindings: values for its placeholders.
    :param rows: the number of rows of an array binding; the statement runs once for each, all or none.
    :raises SnowflakeError: for any failure; nothing of the statement is kept then.
    """
    if (answer := refusals.accepted(refusals.body(text))) is not None:
        return answer
    parsed = parse(text)
    if len(parsed) != 1:
        raise SnowflakeError(
            f"Actual statement count {len(parsed)} did not match the desired statement count 1.", 8, "0A000"
        )
    ((piece, statement),) = parsed
    if rows is not None:
        return _run_rows(session, piece, statement, bindings or {}, rows)
    if bindings or statement.find(exp.Placeholder):
        statement = preparation.bind(statement, bindings or {})
    return _run(session, piece, statement)


def _run_rows(session: Session, text: str, statement: exp.Expr, bindings: Bindings, rows: int) -> Result:
    values = statement.args.get("expression")
    if isinstance(statement, exp.Insert) and isinstance(values, exp.Values) and len(values.expressions) == 1:
        template = exp.Values(expressions=[values.expressions[0].copy()])
        filled = [preparation.bind(template.copy(), bindings, row).expressions[0] for row in range(rows)]
        values.set("expressions", filled)
        return _run(session, text, statement)
    last: Result | None = None
    total = 0
    with dml.atomic(session):
        for row in range(rows):
            last = _run(session, text, preparation.bind(statement.copy(), bindings, row))
            total += last.rowcount
    if last is None:
        raise SnowflakeError("Empty array binding.", 2049, "42601")
    answer = results.counts(last.kind, inserted=total)
    return answer.named([last.columns[0].name])


def _run(session: Session, text: str, statement: exp.Expr) -> Result:
    if session.lost_transaction and isinstance(statement, exp.Rollback):
        session.lost_transaction = False
    session.raise_if_lost(ends=isinstance(statement, exp.Commit))
    if not isinstance(statement, exp.Set):
        preparation.variables(session, statement)
    preparation.identifiers(statement)
    if isinstance(statement, exp.Transaction | exp.Commit | exp.Rollback) or commands.is_begin(text):
        return commands.transaction(session, statement)
    handler = _handler(text, statement)
    if handler is commands.alter_session:
        return handler(session, statement)
    if isinstance(statement, _DDL) or handler is ddl.command:
        session.end(
            commit=True
        )  # DDL ends a transaction in Snowflake, and a transaction of DuckDB writes one database only
        with _locked(session, _defined(session, statement)):
            return handler(session, statement)
    if not isinstance(statement, _DML):
        return handler(session, statement)
    if not session.parameters["AUTOCOMMIT"]:
        session.begin()
    with _locked(session, [_target(session, statement)]), dml.atomic(session):
        return handler(session, statement)


@contextlib.contextmanager
def _locked(session: Session, names: list[Name]) -> Iterator[None]:
    """Own the objects while the block runs, or until the transaction ends; temporary ones need no lock."""
    names = [name for name in names if name not in session.temporary]
    session.account.locks.acquire(session, names, float(session.parameters.get("LOCK_TIMEOUT", LOCK_TIMEOUT_SECONDS)))
    try:
        yield
    finally:
        if not session.in_transaction:
            session.account.locks.release(session)


def _defined(session: Session, statement: exp.Expr) -> list[Name]:
    """Return the names of what a definition writes; of schemas and databases the plain name."""
    references = [statement.this, *(action.this for action in statement.args.get("actions") or [] if action.this)]
    references += statement.args.get("tables") or []
    found = []
    for each in references:
        table = each.this if isinstance(each, exp.Schema) else each
        if isinstance(table, exp.Table):
            named = isinstance(table.this, exp.Identifier) and statement.args.get("kind") != "DATABASE"
            found.append(qualify(session, table, "DDL") if named else Name("", "", table.sql().upper()))
    return found


LOCK_TIMEOUT_SECONDS = 300
"""Seconds that a statement waits for a table, unless the session sets LOCK_TIMEOUT; 12 hours in Snowflake."""


def _target(session: Session, statement: exp.Expr) -> Name:
    this = statement.expressions[0] if isinstance(statement, exp.TruncateTable) else statement.this
    table = this.this if isinstance(this, exp.Schema) else this
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        return Name("", "", "")
    return qualify(session, table, statement.key.upper())


def _handler(text: str, statement: exp.Expr) -> Callable[[Session, Any], Result]:  # noqa: C901, PLR0911 -- a table of cases
    if isinstance(statement, exp.Copy) and statement.args.get("kind") is True:
        return lambda session, copy: copy_into.run(session, copy, lambda query: translate(session, query))
    if isinstance(statement, exp.Insert | exp.Update | exp.Delete | exp.Merge | exp.TruncateTable):
        return _change
    if isinstance(statement, exp.Create | exp.Drop | exp.Alter | exp.Comment):
        if isinstance(statement, exp.Alter) and statement.args.get("kind") == "SESSION":
            return commands.alter_session
        return lambda session, definition: ddl.run(session, definition, translate)
    if isinstance(statement, exp.Use):
        return commands.use
    if isinstance(statement, exp.Set):
        return commands.set_variables
    if commands.is_unset(text):
        return lambda session, _: commands.unset_variable(session, text)
    if isinstance(statement, exp.Show):
        return lambda session, show: commands.show(session, show, translate, text)
    if isinstance(statement, exp.Describe):
        return commands.describe
    if isinstance(statement, exp.ListStage):
        return stages.list_files
    if isinstance(statement, exp.Query | exp.Subquery | exp.Values):
        return lambda session, query: _query(session, query, text)
    if ddl.is_command(text):
        return ddl.command
    refusals.refuse(text, statement)
    raise AssertionError("refuse() raises")


def translate(session: Session, statement: exp.Expr) -> str:
    """Return DuckDB's SQL for a statement."""
    if _is_rows_of_constants(statement):
        preparation.tables(session, statement)
        return str(statement.sql(dialect="duckdb", identify=True))
    preparation.context(session, statement)
    preparation.waits(session, statement)
    preparation.sequences(session, statement)
    statement = rewrites.apply(statement)
    preparation.tables(session, statement)
    translated = Translator(session).translate(statement)
    try:  # all names in quotes, because DuckDB reserves words that Snowflake does not
        return str(translated.sql(dialect="duckdb", identify=True, unsupported_level=sqlglot.ErrorLevel.RAISE))
    except sqlglot.errors.UnsupportedError as error:
        raise unsupported(str(error)) from error


def _is_rows_of_constants(statement: exp.Expr) -> bool:
    """Return whether it is an INSERT of many constant rows; their translation would take a millisecond for each."""
    values = statement.args.get("expression")
    if not isinstance(statement, exp.Insert) or not isinstance(values, exp.Values) or len(values.expressions) < MANY:
        return False
    return all(_is_constant(cell) for row in values.expressions for cell in row.expressions)


def _is_constant(cell: exp.Expr) -> bool:
    while isinstance(cell, exp.Paren | exp.Neg) or (isinstance(cell, exp.Cast) and cell.to.this in _PLAIN):
        cell = cell.this
    return isinstance(cell, exp.Literal | exp.Null | exp.Boolean)


def _query(session: Session, query: exp.Expr, text: str) -> Result:
    names = column_names.of(text, query)
    kinds = column_names.semistructured(query)
    written = query.copy()
    ddl.functions(session, query)
    try:
        with stage_queries.opened(session, query):
            rewrites.result_scan(session, query)
            _execute(session, query)
            answer = results.fetched(session.duck).typed(kinds)
    except duckdb.CatalogException as error:
        raise_missing(session, written, error)
        raise
    return answer.named(names) if names and len(names) == len(answer.columns) else answer


def _execute(session: Session, query: exp.Expr) -> None:
    """Run a query; where it sums text, run it again with casts."""
    original = query.copy()
    try:
        session.duck.execute(translate(session, query))
    except duckdb.BinderException as error:
        if session.in_transaction or not re.search(
            r"'(sum|avg|median)\((VARCHAR|STRING_LITERAL)", str(error), re.IGNORECASE
        ):
            raise
        for node in original.find_all(exp.Sum, exp.Avg, exp.Median):
            node.meta["text"] = True
        session.duck.execute(translate(session, original))


def _change(session: Session, statement: exp.Expr) -> Result:
    written = statement.copy()
    try:
        with stage_queries.opened(session, statement):
            rewrites.result_scan(session, statement)
            return dml.run(session, statement, translate)
    except duckdb.CatalogException as error:
        raise_missing(session, written, error)
        raise


def raise_missing(session: Session, written: exp.Expr, error: duckdb.Error) -> None:
    """Raise Snowflake's error for the missing table, with its name as written."""
    if "does not exist" not in str(error) or "Function" in str(error):
        return
    with session.duck.cursor() as elsewhere:  # the first error ends a transaction of DuckDB
        there = {
            (database, schema, table.upper())
            for database, schema, table in elsewhere.execute(
                "SELECT table_catalog, table_schema, table_name FROM information_schema.tables"
            ).fetchall()
        }
    for table in written.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or not table.name:
            continue
        name = qualify(session, table)
        if (name.database, name.schema, name.name.upper()) in there or name in session.temporary:
            continue
        if f"name {name.name} " in str(error) or f'"{name.name}"' in str(error):
            spelled = ".".join(fold(part) for part in table.parts)
            raise missing("Object", spelled) from error


def describe(session: Session, text: str) -> Result:
    """Return the columns of a statement's result without running it, for `cursor.describe()`.

    :raises SnowflakeError: 000002 for anything but a query.
    """
    ((piece, statement),) = parse(text)
    if not isinstance(statement, exp.Query):
        raise unsupported(f"describing {statement.key.upper()}")
    for placeholder in list(statement.find_all(exp.Placeholder)):
        placeholder.replace(exp.Null())
    empty = exp.select("*").from_(statement.subquery("_sf_described")).limit(0)
    answer = _query(session, empty, "")
    names = column_names.of(piece, statement)
    return answer.named(names) if names and len(names) == len(answer.columns) else answer

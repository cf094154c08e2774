"""The preparation of a parsed statement before fakesnow translates it.

Bound values and session variables become literals, context functions become their values in this session, and each
table gets its full name, or the DuckDB name of the session's temporary table.
"""

from __future__ import annotations

import binascii
import datetime as dt
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from workbench.emulators.snowflake.engine import INTERNAL
from workbench.emulators.snowflake.errors import SnowflakeError, compilation
from workbench.emulators.snowflake.names import fold, qualify, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.emulators.snowflake.sessions import Session

Bindings = dict[str, dict[str, Any]]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def bound(binding: dict[str, Any], value: Any) -> exp.Expr:  # noqa: PLR0911 -- one return a type
    """Return a bound value as a literal; the protocol sends text, and times as numbers since 1970."""
    kind = str(binding.get("type", "TEXT")).upper()
    if value is None:
        return exp.Null()
    if kind == "FIXED" or (kind == "REAL" and str(value).lower() not in {"nan", "inf", "-inf"}):
        number = exp.Literal.number(str(value).lstrip("-"))
        signed = exp.Paren(this=exp.Neg(this=number)) if str(value).startswith("-") else number
        return exp.cast(signed, "DOUBLE") if kind == "REAL" else signed
    if kind == "BOOLEAN":
        return exp.Boolean(this=str(value).lower() in {"true", "1"})
    if kind == "BINARY":
        return exp.HexString(this=binascii.hexlify(binascii.unhexlify(str(value))).decode())
    if kind == "DATE":
        return _typed(_moment(int(value) * 1_000_000).date().isoformat(), "DATE")
    if kind == "TIME":
        return _typed(_moment(int(value)).time().isoformat(), "TIME")
    if kind in {"TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ"}:
        nanoseconds, _, offset = str(value).partition(" ")
        moment = _moment(int(nanoseconds))
        if kind == "TIMESTAMP_NTZ":
            return _typed(moment.replace(tzinfo=None).isoformat(sep=" "), "TIMESTAMPNTZ")
        zone = dt.timezone(dt.timedelta(minutes=int(offset or 1440) - 1440))
        return _typed(moment.astimezone(zone).isoformat(sep=" "), "TIMESTAMPTZ")
    return exp.Literal.string(str(value))


def _typed(text: str, kind: str) -> exp.Expr:
    return exp.cast(exp.Literal.string(text), kind, dialect="snowflake")


def _moment(nanoseconds: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=nanoseconds // 1000)


def bind(statement: exp.Expr, bindings: Bindings, row: int | None = None) -> exp.Expr:
    """Replace placeholders by values: `?` by order, `:1` by number, `:name` by name.

    :param row: the row of an array binding.
    :raises SnowflakeError: 002049 for a placeholder without a value.
    """
    position = 0
    for placeholder in list(statement.find_all(exp.Placeholder, bfs=False)):
        key = placeholder.name
        if not key or key == "?":
            position += 1
            key = str(position)
        if key not in bindings:
            raise compilation(f"error line 1 at position 0\nBind variable {key} not set.", 2049, "42601")
        value = bindings[key].get("value")
        if row is not None:
            value = value[row] if isinstance(value, list) else value
        literal = bound(bindings[key], value)
        if placeholder is statement:
            return literal
        placeholder.replace(literal)
    return statement


def variables(session: Session, statement: exp.Expr) -> None:
    """Replace `$name` by its value; fakesnow replaces it in string constants too.

    :raises SnowflakeError: 002211 for a variable that is not set.
    """
    for parameter in list(statement.find_all(exp.Parameter)):
        name = parameter.name.upper()
        if not name or name.isdigit():
            continue
        if name not in session.values:
            raise compilation(f"error line 1 at position 0\nSession variable '${name}' does not exist", 2211, "02000")
        parameter.replace(session.values[name].copy())


def identifiers(statement: exp.Expr) -> None:
    """Replace names in text: IDENTIFIER('raw.t') and TABLE('raw.t')."""
    for table in list(statement.find_all(exp.Table, exp.TableFromRows)):
        inner = table.this
        if isinstance(table, exp.TableFromRows) or isinstance(inner, exp.DynamicIdentifier):
            text = inner if isinstance(table, exp.TableFromRows) else inner.this
            if isinstance(text, exp.Literal) and text.is_string:
                parts = [exp.to_identifier(part, quoted=True) for part in split(text.name)][::-1]
                named = exp.Table(**dict(zip(("this", "db", "catalog"), parts, strict=False)))
                named.set("alias", table.args.get("alias"))
                table.replace(named)


def _text(value: str | None) -> exp.Expr:
    return exp.Null() if value is None else exp.Literal.string(value)


_CONTEXT: dict[str, Callable[[Session], str | None]] = {
    "CURRENT_ACCOUNT": lambda _: "OFFLINE",
    "CURRENT_ACCOUNT_NAME": lambda _: "OFFLINE",
    "CURRENT_ORGANIZATION_NAME": lambda _: "WORKBENCH",
    "CURRENT_REGION": lambda _: "AWS_US_EAST_1",
    "CURRENT_CLIENT": lambda _: "PythonConnector",
    "CURRENT_DATABASE": lambda session: session.database,
    "CURRENT_SCHEMA": lambda session: session.schema,
    "CURRENT_ROLE": lambda session: session.role,
    "CURRENT_AVAILABLE_ROLES": lambda session: f'[ "{session.role}" ]',
    "CURRENT_SECONDARY_ROLES": lambda _: '{"roles":"","value":""}',
    "CURRENT_SESSION": lambda session: str(session.number),
    "CURRENT_TRANSACTION": lambda session: str(session.number) if session.in_transaction else None,
    "CURRENT_USER": lambda _: "WORKBENCH",
    "CURRENT_WAREHOUSE": lambda session: session.warehouse,
}


def function_name(node: exp.Expr) -> str:
    """Return a call's name as in Snowflake, also of functions that sqlglot does not know; empty for other nodes."""
    if isinstance(node, exp.Anonymous):
        return str(node.name).upper()
    return str(node.sql_name()).upper() if isinstance(node, exp.Func) else ""


def context(session: Session, statement: exp.Expr) -> None:
    """Replace context functions; fakesnow replaces only some, and DuckDB would return its own values for the others."""
    for node in list(statement.find_all(exp.Func, exp.Column)):
        if isinstance(node, exp.Column) and (node.table or node.this.args.get("quoted")):
            continue
        name = node.name.upper() if isinstance(node, exp.Column) else function_name(node)
        if isinstance(node, exp.Column) and name != "CURRENT_USER":
            continue
        if name in _CONTEXT:
            value = _text(_CONTEXT[name](session))
        elif name == "LAST_QUERY_ID":
            value = _text(_last_query(session, node))
        else:
            continue
        if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
            value = exp.alias_(value, f"{name}()", quoted=True)
        node.replace(value)


def _last_query(session: Session, node: exp.Expr) -> str | None:
    given = next(iter(node.args.get("expressions") or [node.args.get("this")]), None)
    position = int(given.sql()) if isinstance(given, exp.Expr) else -1
    ids = session.query_ids
    try:
        return ids[position if position < 0 else position - 1]
    except IndexError:
        return None


def waits(session: Session, statement: exp.Expr) -> None:
    """Wait for SYSTEM$WAIT(n), before the statement runs, until it is cancelled."""
    for call in list(statement.find_all(exp.Anonymous)):
        if function_name(call) == "SYSTEM$WAIT":
            seconds = float(call.expressions[0].name)
            session.cancelled.wait(seconds)
            session.raise_if_cancelled()
            call.replace(exp.Literal.string(f"waited {seconds:g} seconds"))


def sequences(session: Session, statement: exp.Expr) -> None:
    """Replace `seq.NEXTVAL` in expressions."""
    for column in list(statement.find_all(exp.Column)):
        if column.name.upper() != "NEXTVAL" or not column.table:
            continue
        table = exp.Table(this=column.args["table"], db=column.args.get("db"), catalog=column.args.get("catalog"))
        name = qualify(session, table)
        found = session.duck.execute(
            "SELECT 1 FROM duckdb_sequences() WHERE database_name = ? AND schema_name = ? AND sequence_name = ?",
            list(name),
        ).fetchone()
        if found:
            column.replace(exp.Anonymous(this="NEXTVAL", expressions=[exp.Literal.string(name.sql)]))


def tables(session: Session, statement: exp.Expr) -> None:
    """Replace the name of each table by its full name, and of a temporary table by its name in DuckDB."""
    if isinstance(statement, exp.Show):
        return  # its scope is mostly a schema or a database, which fakesnow reads
    verb = statement.key.upper()
    for table in list(statement.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier) or not table.name or _is_cte(table):
            continue
        if table.name.startswith("_staged_"):
            continue
        if fold(table.args.get("db")) == "INFORMATION_SCHEMA" or (
            not table.db and session.schema == "INFORMATION_SCHEMA"
        ):
            _information_schema(session, table, verb)
            continue
        name = qualify(session, table, verb)
        if name in session.temporary:
            _to_temporary(table, name.name, session.temporary[name], statement)
        else:
            for key, part in zip(("catalog", "db", "this"), name, strict=True):
                table.set(key, exp.to_identifier(part, quoted=True))


def _to_temporary(table: exp.Table, name: str, physical: str, statement: exp.Expr) -> None:
    is_target = table is statement.args.get("this") or table.parent is statement.args.get("this")
    if not table.alias and not (
        is_target and isinstance(statement, exp.Insert | exp.Create | exp.Alter | exp.TruncateTable)
    ):
        table.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
    for key in ("catalog", "db"):
        table.set(key, None)
    table.set("this", exp.to_identifier(physical, quoted=True))


def _information_schema(session: Session, table: exp.Table, verb: str) -> None:
    database = fold(table.args.get("catalog")) or session.database
    if not database:
        qualify(session, table, verb)
    name = fold(table.this)
    table.set("catalog", exp.to_identifier(database, quoted=True))
    own = {"LOAD_HISTORY": "_load_history", "TABLES": "_tables", "COLUMNS": "_columns"}
    if name in own:
        table.set("db", exp.to_identifier(INTERNAL, quoted=True))
        table.set("this", exp.to_identifier(own[name], quoted=True))
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
        return
    known = {"COLUMNS", "TABLES", "VIEWS", "SCHEMATA", "DATABASES"}
    if name not in known:
        raise SnowflakeError(
            f"SQL compilation error:\nObject 'INFORMATION_SCHEMA.{name}' does not exist or not authorized. "
            f"(The emulator has {', '.join(sorted(known | {'LOAD_HISTORY'}))}.)",
            2003,
            "42S02",
        )
    table.set("db", exp.to_identifier("INFORMATION_SCHEMA", quoted=False))
    table.set("this", exp.to_identifier(name, quoted=False))
    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))


def _is_cte(table: exp.Table) -> bool:
    if table.args.get("db"):
        return False
    name = fold(table.this)
    inside: list[str] = []
    node: exp.Expr | None = table
    while node is not None:
        if isinstance(node, exp.CTE):
            inside.append(fold(node.args["alias"].this))
        with_ = node.args.get("with_")
        if isinstance(with_, exp.With):
            names = [fold(cte.args["alias"].this) for cte in with_.expressions]
            if name in names and (name not in inside or with_.args.get("recursive")):
                return True
        node = node.parent
    return False

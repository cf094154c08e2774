"""Statements about the session itself, and SHOW and DESCRIBE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from workbench.emulators.snowflake import descriptions, refusals, results
from workbench.emulators.snowflake.errors import SnowflakeError, compilation, missing, unsupported
from workbench.emulators.snowflake.names import fold, qualify

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.emulators.snowflake.results import Result
    from workbench.emulators.snowflake.sessions import Session

_WITHOUT_EFFECT = re.compile(
    r"CLIENT_\w+|QUERY_TAG|PYTHON_CONNECTOR_\w+|ENABLE_\w+|USE_CACHED_RESULT|MULTI_STATEMENT_COUNT|JDBC_\w+|ODBC_\w+"
    r"|STATEMENT_QUEUED_TIMEOUT_IN_SECONDS|LOG_LEVEL|TRACE_LEVEL|ABORT_DETACHED_QUERY|SNOWPARK_\w+|GEOGRAPHY_OUTPUT_FORMAT"
    r"|\w+_QUERY_RESULT_FORMAT|ERROR_ON_NONDETERMINISTIC_\w+|TRANSACTION_ABORT_ON_ERROR|STRICT_JSON_OUTPUT|JSON_INDENT"
)
"""Parameters that affect only the client, or nothing that is visible here."""

_FIXED: dict[str, set[str]] = {
    "TIMEZONE": {"UTC", "ETC/UTC"},
    "TIMESTAMP_TYPE_MAPPING": {"TIMESTAMP_NTZ"},
    "QUOTED_IDENTIFIERS_IGNORE_CASE": {"FALSE"},
    "WEEK_START": {"0", "1"},
    "WEEK_OF_YEAR_POLICY": {"0"},
    "DATE_INPUT_FORMAT": {"AUTO"},
    "TIME_INPUT_FORMAT": {"AUTO"},
    "TIMESTAMP_INPUT_FORMAT": {"AUTO"},
    "DATE_OUTPUT_FORMAT": {"YYYY-MM-DD"},
    "AUTOCOMMIT_API_SUPPORTED": {"TRUE"},
}
"""Parameters for which the emulator supports only these values."""

_KEPT = {"STATEMENT_TIMEOUT_IN_SECONDS", "LOCK_TIMEOUT"}
_BEGIN = re.compile(r"(BEGIN|START\s+TRANSACTION)(\s+(TRANSACTION|WORK))?(\s+NAME\s+\S+)?", re.IGNORECASE)
_UNSET = re.compile(r"UNSET\s+(?:\(\s*)?([\w$]+(?:\s*,\s*[\w$]+)*)\s*\)?", re.IGNORECASE)


def is_begin(text: str) -> bool:
    """Return whether it is a BEGIN in a spelling that sqlglot does not recognise."""
    return bool(_BEGIN.fullmatch(text))


def is_unset(text: str) -> bool:
    """Return whether it is UNSET, which sqlglot parses as an alias."""
    return bool(_UNSET.fullmatch(text))


def transaction(session: Session, statement: exp.Expr) -> Result:
    """Run BEGIN, COMMIT or ROLLBACK; each is a no-op where there is nothing to do, as in Snowflake."""
    if isinstance(statement, exp.Commit | exp.Rollback):
        session.end(commit=isinstance(statement, exp.Commit))
    else:
        session.begin()
    return results.status(kind=results.TCL)


def set_parameter(session: Session, name: str, value: Any) -> None:
    """Set a parameter, for ALTER SESSION SET and a login.

    :raises SnowflakeError: 000002 for one that changes results and is not supported here.
    """
    name, text = name.upper(), str(value).upper()
    if name == "AUTOCOMMIT":
        session.end(commit=True)
        session.parameters["AUTOCOMMIT"] = text in {"TRUE", "1", "ON", "YES"}
    elif name in _KEPT:
        if not text.isdigit():
            raise compilation(f"invalid value [{value}] for parameter '{name}'", 1008, "22023")
        session.parameters[name] = int(text)
    elif name in _FIXED:
        if text not in _FIXED[name]:
            raise unsupported(f"{name} = {value}")
    elif not _WITHOUT_EFFECT.fullmatch(name):
        raise unsupported(f"the session parameter {name}")


def alter_session(session: Session, statement: exp.Alter) -> Result:
    """Run ALTER SESSION SET | UNSET."""
    for action in statement.args.get("actions") or []:
        unset = bool(action.args.get("unset"))
        for item in action.expressions:
            if unset:
                name = item.name.upper() or item.sql().upper()
                session.parameters.pop(name, None)
                if name == "AUTOCOMMIT":
                    set_parameter(session, name, value=True)
                continue
            assignment = item.this if isinstance(item, exp.SetItem) else item
            set_parameter(session, assignment.this.name, assignment.expression.name or assignment.expression.sql())
    return results.status()


def set_variables(session: Session, statement: exp.Set) -> Result:
    """Run SET name = value, or SET (a, b) = (1, 2)."""
    for item in statement.expressions:
        assignment = item.this
        if not isinstance(assignment, exp.EQ):
            raise unsupported(f"SET {item.sql(dialect='snowflake')}")
        names = assignment.this.expressions if isinstance(assignment.this, exp.Tuple) else [assignment.this]
        values = (
            assignment.expression.expressions if isinstance(assignment.this, exp.Tuple) else [assignment.expression]
        )
        for name, value in zip(names, values, strict=True):
            if not isinstance(value.unnest(), exp.Literal | exp.Boolean | exp.Null | exp.Neg):
                raise unsupported("SET of an expression that is not a constant")
            session.values[name.name.upper()] = value.copy()
    return results.status()


def unset_variable(session: Session, text: str) -> Result:
    """Run UNSET name."""
    found = _UNSET.fullmatch(text)
    for name in found[1].split(",") if found else []:
        session.values.pop(name.strip().upper(), None)
    return results.status()


def use(session: Session, statement: exp.Use) -> Result:
    """Run USE DATABASE, SCHEMA, ROLE, WAREHOUSE or SECONDARY ROLES."""
    kind = statement.args.get("kind")
    kind = (kind if isinstance(kind, str) else kind.name).upper() if kind else "SCHEMA_OR_DATABASE"
    parts = [fold(part) for part in statement.this.parts] if isinstance(statement.this, exp.Table) else []
    if kind == "ROLE":
        session.role = parts[-1]
    elif kind == "WAREHOUSE":
        session.warehouse = parts[-1]
    elif kind == "DATABASE" or (kind == "SCHEMA_OR_DATABASE" and len(parts) == 1):
        if parts[-1] not in session.account.databases():
            raise missing("Database", parts[-1])
        session.use(parts[-1], "PUBLIC")
    elif kind in {"SCHEMA", "SCHEMA_OR_DATABASE"}:
        database = parts[-2] if len(parts) > 1 else (session.database or "")
        if not database:
            qualify(session, exp.table_("X", db="X"), "USE SCHEMA")
        if database not in session.account.databases() or parts[-1] not in session.schemas(database):
            raise missing("Schema", ".".join(parts))
        session.use(database, parts[-1])
    elif not kind.startswith("SECONDARY"):
        raise unsupported(f"USE {kind}")
    return results.status(kind=results.USE)


_SHOWN = {
    "COLUMNS", "DATABASES", "FILE FORMATS", "FUNCTIONS", "IMPORTED KEYS", "OBJECTS", "PARAMETERS", "PRIMARY KEYS",
    "PROCEDURES", "SCHEMAS", "SEQUENCES", "STAGES", "TABLES", "UNIQUE KEYS", "USERS", "VIEWS", "WAREHOUSES",
}  # fmt: skip


def show(session: Session, statement: exp.Show, translate: Callable[[Session, exp.Expr], str], text: str) -> Result:
    """Run SHOW, with fakesnow's views of the catalogue."""
    if statement.name.upper() not in _SHOWN:
        refusals.refuse(text, statement)
    _check_scope(session, statement)
    like, start = statement.args.get("like"), statement.args.get("starts_with")
    session.duck.execute(translate(session, statement))
    answer = results.fetched(session.duck, results.SHOW)
    if isinstance(like, exp.Expr):
        answer = _named(answer, re.escape(like.name).replace("%", ".*").replace("_", "."), re.IGNORECASE)
    if isinstance(start, exp.Expr):
        answer = _named(answer, re.escape(start.name) + ".*")
    return answer


def _check_scope(session: Session, statement: exp.Show) -> None:
    """Refuse a scope that does not exist; fakesnow would return no rows."""
    scope, kind = statement.args.get("scope"), statement.args.get("scope_kind")
    if not isinstance(scope, exp.Table):
        return
    parts = [fold(part) for part in scope.parts]
    if kind == "SCHEMA":
        database = parts[-2] if len(parts) > 1 else (session.database or "")
        if database not in session.account.databases() or parts[-1] not in session.schemas(database):
            raise missing("Schema", ".".join(parts))
    elif kind == "DATABASE" and parts[-1] not in session.account.databases():
        raise missing("Database", parts[-1])
    elif kind in {"TABLE", "VIEW"} and statement.name.upper() == "COLUMNS":
        descriptions.described(session, qualify(session, scope, "SHOW"))


def _named(answer: Result, pattern: str, flags: int = 0) -> Result:
    """Filter rows by the object's name: fakesnow supports LIKE for tables only, and STARTS WITH not at all."""
    column = next((each for each in ("name", "column_name") if each in answer.table.column_names), None)
    if column:
        keep = [bool(re.fullmatch(pattern, str(name), flags)) for name in answer.table[column].to_pylist()]
        answer.table = answer.table.filter(pa.array(keep, pa.bool_()))
        answer.rowcount = answer.table.num_rows
    return answer


def describe(session: Session, statement: exp.Describe) -> Result:
    """Run DESCRIBE TABLE | VIEW."""
    kind = str(statement.args.get("kind") or "TABLE").upper()
    if kind not in {"TABLE", "VIEW"} or not isinstance(statement.this, exp.Table):
        raise unsupported(f"DESCRIBE {kind}")
    name = qualify(session, statement.this, "DESCRIBE")
    found = descriptions.described(session, name)
    if not found:
        raise SnowflakeError(f"Object '{name}' has no columns.", 2003, "42S02")
    return results.rows(list(found[0]), [list(row.values()) for row in found], results.DESCRIBE)

"""CREATE, ALTER, DROP and COMMENT: Snowflake's DDL in DuckDB, with Snowflake's own results."""

# ruff: noqa: S608 -- names in SQL are quoted, values are bound

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlglot
from fakesnow import info_schema
from sqlglot import exp

from workbench.emulators.snowflake import descriptions, results, stages, table_ddl
from workbench.emulators.snowflake.descriptions import kind_of
from workbench.emulators.snowflake.engine import GLOBAL, INTERNAL
from workbench.emulators.snowflake.errors import compilation, exists, missing, unsupported
from workbench.emulators.snowflake.names import fold, from_text, literal, qualify, quoted
from workbench.emulators.snowflake.preparation import function_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.emulators.snowflake.results import Result
    from workbench.emulators.snowflake.sessions import Session

    Translate = Callable[[Session, exp.Expr], str]

_SCHEMA = re.compile(
    r"(CREATE)\s+(OR\s+REPLACE\s+)?(?:TRANSIENT\s+)?(SCHEMA|DATABASE)\s+(IF\s+NOT\s+EXISTS\s+)?([\w$.\"]+)"
    r"(?P<rest>(\s+WITH\s+MANAGED\s+ACCESS|\s+DATA_RETENTION_TIME_IN_DAYS\s*=\s*\d+|\s+COMMENT\s*=\s*'[^']*')*)",
    re.IGNORECASE,
)


def is_command(text: str) -> bool:
    """Return whether it is DDL that sqlglot does not parse and this module does."""
    return bool(_SCHEMA.fullmatch(text)) or bool(
        re.match(r"ALTER\s+(SCHEMA|DATABASE|STAGE|SEQUENCE)\b", text, re.IGNORECASE)
    )


def command(session: Session, statement: exp.Expr) -> Result:
    """Run DDL from its text: CREATE SCHEMA ... WITH MANAGED ACCESS and the like."""
    text = f"{statement.this}{statement.args.get('expression') or ''}" if isinstance(statement, exp.Command) else ""
    found = _SCHEMA.fullmatch(" ".join(text.split()))
    if not found:
        raise unsupported(" ".join(text.split()[:2]).upper())
    kind, name = found[3].upper(), found[5]
    return _container(session, kind, name, replace=bool(found[2]), if_not_exists=bool(found[4]))


def run(session: Session, statement: exp.Expr, translate: Translate) -> Result:  # noqa: PLR0911 -- one return a kind
    """Run one definition."""
    if isinstance(statement, exp.Comment):
        return _comment(session, statement)
    if isinstance(statement, exp.Drop):
        return _drop(session, statement)
    if isinstance(statement, exp.Alter):
        return table_ddl.alter(session, statement, translate)
    kind = str(statement.args.get("kind")).upper()
    if kind in {"SCHEMA", "DATABASE"}:
        name = ".".join(part.sql(dialect="snowflake") for part in statement.this.parts if part)
        return _container(
            session,
            kind,
            name,
            replace=bool(statement.args.get("replace")),
            if_not_exists=bool(statement.args.get("exists")),
        )
    if kind == "STAGE":
        return stages.create_stage(session, statement)
    if kind == "FILE FORMAT":
        return stages.create_file_format(session, statement)
    if kind == "SEQUENCE":
        return _sequence(session, statement)
    if kind == "TABLE":
        return table_ddl.create(session, statement, translate)
    if kind == "VIEW":
        return _view(session, statement, translate)
    raise unsupported(f"CREATE {kind}")


def _container(session: Session, kind: str, text: str, *, replace: bool, if_not_exists: bool) -> Result:
    account = session.account
    if kind == "DATABASE":
        database = from_text(session, f'"{session.database or "X"}"."X".{text}', "CREATE DATABASE").name
        if database in account.databases():
            if if_not_exists:
                return results.status(f"{database} already exists, statement succeeded.")
            if replace:
                _leave(session, database)
                account.drop_database(database)
        account.create_database(database)
        session.use(database, "PUBLIC")
        return results.status(f"Database {database} successfully created.")
    *catalog, schema = [fold(part) for part in text.split(".")]
    database = catalog[0] if catalog else qualify(session, exp.table_("X", db="X"), "CREATE SCHEMA").database
    if database not in account.databases():
        raise missing("Database", database)
    there = schema in session.schemas(database)
    if there and if_not_exists:
        return results.status(f"{schema} already exists, statement succeeded.")
    if there and not replace:
        raise exists(schema)
    if there:
        _drop_schema(session, database, schema)
    session.duck.execute(f"CREATE SCHEMA {quoted(database)}.{quoted(schema)}")
    session.use(database, schema)
    return results.status(f"Schema {schema} successfully created.")


def _leave(session: Session, database: str) -> None:
    if session.database == database:
        session.database, session._schema = None, None  # noqa: SLF001 -- fakesnow's own attribute
        session.database_set = session.schema_set = False
        session.duck.execute("SET schema = 'memory.main'")


def _drop(session: Session, statement: exp.Drop) -> Result:
    kind = str(statement.args.get("kind")).upper()
    reference = (statement.args.get("tables") or [statement.this])[0]
    if_exists = bool(statement.args.get("exists"))
    if kind in {"SCHEMA", "DATABASE"}:
        return _drop_container(session, kind, [fold(part) for part in reference.parts if part], if_exists=if_exists)
    name = qualify(session, reference, f"DROP {kind}")
    if kind in {"STAGE", "FILE FORMAT"}:
        return stages.drop(session, kind, name, if_exists=if_exists)
    if kind == "SEQUENCE":
        there = session.duck.execute(
            "SELECT 1 FROM duckdb_sequences() WHERE database_name = ? AND schema_name = ? AND sequence_name = ?",
            list(name),
        ).fetchone()
    elif kind in {"TABLE", "VIEW"}:
        there = kind_of(session, name)
        if there and there != kind:
            raise compilation(f"Object found is of type '{there}', not specified type '{kind}'.", 2203, "02000")
    else:
        raise unsupported(f"DROP {kind}")
    if not there:
        if if_exists:
            return results.status(f"Drop statement executed successfully ({name.name} already dropped).")
        raise missing(kind.capitalize(), str(name))
    table_ddl.drop(session, kind, name)
    return results.status(f"{name.name} successfully dropped.")


def _drop_container(session: Session, kind: str, parts: list[str], *, if_exists: bool) -> Result:
    name = parts[-1]
    database = name if kind == "DATABASE" else (parts[-2] if len(parts) > 1 else session.database or "")
    there = database in session.account.databases() and (kind == "DATABASE" or name in session.schemas(database))
    if not there:
        if if_exists:
            return results.status(f"Drop statement executed successfully ({name} already dropped).")
        raise missing(kind.capitalize(), ".".join(parts))
    if kind == "DATABASE":
        _leave(session, name)
        session.account.drop_database(name)
    else:
        _drop_schema(session, database, name)
        if (session.database, session.schema) == (database, name):
            session.use(database, None)
    return results.status(f"{name} successfully dropped.")


def _drop_schema(session: Session, database: str, schema: str) -> None:
    session.duck.execute(f"DROP SCHEMA {quoted(database)}.{quoted(schema)} CASCADE")
    session.duck.execute(f"DELETE FROM {quoted(database)}.{INTERNAL}._loads WHERE schema_name = ?", [schema])
    for table in ("_fs_stages", "_fs_file_formats", "_stage_options"):
        session.duck.execute(
            f"DELETE FROM {GLOBAL}.{INTERNAL}.{table} WHERE database_name = ? AND schema_name = ?", [database, schema]
        )


def _sequence(session: Session, statement: exp.Create) -> Result:
    name = qualify(session, statement.this, "CREATE SEQUENCE")
    there = session.duck.execute(
        "SELECT 1 FROM duckdb_sequences() WHERE database_name = ? AND schema_name = ? AND sequence_name = ?", list(name)
    ).fetchone()
    if there and statement.args.get("exists"):
        return results.status(f"{name.name} already exists, statement succeeded.")
    if there and not statement.args.get("replace"):
        raise exists(name.name)
    given = statement.find(exp.SequenceProperties)
    start, step = (
        (given.args.get(key).sql() if given and given.args.get(key) else "1") for key in ("start", "increment")
    )
    session.duck.execute(f"CREATE OR REPLACE SEQUENCE {name.sql} START WITH {start} INCREMENT BY {step}")
    return results.status(f"Sequence {name.name} successfully created.")


def _view(session: Session, statement: exp.Create, translate: Translate) -> Result:
    this = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
    name = qualify(session, this, "CREATE VIEW")
    there = kind_of(session, name)
    if there and statement.args.get("exists"):
        return results.status(f"{name.name} already exists, statement succeeded.")
    if there and not (statement.args.get("replace") and there == "VIEW"):
        raise exists(name.name)
    comment = table_ddl.comment_of(statement)
    statement.set("properties", None)
    statement.set("exists", False)
    text = statement.sql(dialect="snowflake")
    session.duck.execute(translate(session, statement))
    descriptions.keep(session, name, comment=comment, lengths=[])
    session.duck.execute(f"COMMENT ON VIEW {name.sql} IS {literal(text)}")  # GET_DDL reads it
    return results.status(f"View {name.name} successfully created.")


def _comment(session: Session, statement: exp.Comment) -> Result:
    kind, text = str(statement.args.get("kind")).upper(), statement.expression.name
    if kind in {"TABLE", "VIEW"}:
        name = qualify(session, statement.this, "COMMENT")
        if not kind_of(session, name):
            if statement.args.get("exists"):
                return results.status()
            raise missing(kind.capitalize(), str(name))
        session.duck.execute(info_schema.insert_table_comment_sql(*name, text.replace("'", "''")))
    elif kind == "COLUMN":
        column = statement.this
        table = exp.Table(this=column.args["table"], db=column.args.get("db"), catalog=column.args.get("catalog"))
        name = qualify(session, table, "COMMENT")
        session.duck.execute(f"COMMENT ON COLUMN {name.sql}.{quoted(fold(column.this))} IS {literal(text)}")
    return results.status()


def functions(session: Session, query: exp.Expr) -> None:
    """Replace GET_DDL('TABLE', 'name') in a query."""
    for call in list(query.find_all(exp.Anonymous)):
        if function_name(call) == "GET_DDL":
            kind, name = (each.name for each in call.expressions[:2])
            call.replace(exp.Literal.string(get_ddl(session, kind, name)))


def get_ddl(session: Session, kind: str, text: str) -> str:
    """Return the statement that creates the object again.

    :raises SnowflakeError: 002003 where it does not exist, 000002 for other kinds than tables and views.
    """
    name = from_text(session, text, "GET_DDL")
    if kind.upper() not in {"TABLE", "VIEW"}:
        raise unsupported(f"GET_DDL('{kind.upper()}', ...)")
    if kind_of(session, name) != kind.upper():
        raise missing(kind.capitalize(), str(name))
    if kind.upper() == "VIEW":
        row: Any = session.duck.execute(
            "SELECT comment FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND view_name = ?",
            list(name),
        ).fetchone()
        return f"{sqlglot.transpile(row[0], read='snowflake', write='snowflake')[0]};".lower().replace("\n", " ")
    columns = descriptions.described(session, name)
    lines = ",\n".join(
        f"\t{each['name']} {each['type']}"
        + (" NOT NULL" if each["null?"] == "N" else "")
        + (f" DEFAULT {each['default']}" if each["default"] else "")
        for each in columns
    )
    return f"create or replace TABLE {name.name} (\n{lines}\n);"

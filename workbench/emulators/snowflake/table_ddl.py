"""Tables: created, altered, swapped, dropped and described.

Temporary tables are DuckDB's own, private to the session's connection, with database and schema in their name: in
Snowflake they belong to a schema and hide a permanent table of the same name, in DuckDB they belong to no schema.
"""

# ruff: noqa: S608 -- names in SQL are quoted, values are bound

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

from fakesnow import info_schema
from sqlglot import exp

from workbench.emulators.snowflake import descriptions, load_history, results
from workbench.emulators.snowflake.descriptions import kind_of
from workbench.emulators.snowflake.dml import atomic
from workbench.emulators.snowflake.errors import compilation, exists, missing, unsupported
from workbench.emulators.snowflake.names import Name, fold, literal, qualify, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.emulators.snowflake.results import Result
    from workbench.emulators.snowflake.sessions import Session

    Translate = Callable[[Session, exp.Expr], str]

_UNENFORCED = (exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint, exp.Reference)
_WITHOUT_EFFECT = (exp.Cluster, exp.AlterSet, exp.AddConstraint)


def comment_of(statement: exp.Create) -> str | None:
    """Return the COMMENT of a definition."""
    found = next((each for each in statement.find_all(exp.SchemaCommentProperty)), None)
    return found.this.name if found else None


def create(session: Session, statement: exp.Create, translate: Translate) -> Result:
    """Run CREATE TABLE in all its forms."""
    table = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
    name = qualify(session, table, "CREATE TABLE")
    temporary = statement.find(exp.TemporaryProperty) is not None
    there = name in session.temporary if temporary else kind_of(session, name, permanent=True)
    if there and statement.args.get("exists"):
        return results.status(f"{name.name} already exists, statement succeeded.")
    if there and (not statement.args.get("replace") or there == "VIEW"):
        raise exists(name.name)
    if not temporary and name.schema not in session.schemas(name.database):
        raise missing("Schema", f"{name.database}.{name.schema}")
    comment, lengths = comment_of(statement), _lengths(statement)
    sequences = _sequences(name, statement)
    # A query may read the table that it replaces, so the new table is created beside it.
    made = name._replace(name=f"{name.name}__REPLACING") if there else name
    kind = "TEMPORARY TABLE" if temporary else "TABLE"
    with atomic(session):
        for sequence in sequences:
            session.duck.execute(sequence)
        _make(session, statement, _physical(made, temporary=temporary), translate, kind=kind)
        if there:
            old = _physical(name, temporary=temporary)
            session.duck.execute(f"DROP TABLE {old}")
            final = old if temporary else quoted(name.name)
            session.duck.execute(f"ALTER TABLE {_physical(made, temporary=temporary)} RENAME TO {final}")
        if not temporary:
            load_history.clear(session.duck, name)
    if temporary:
        session.temporary[name] = str(name)
    else:
        descriptions.keep(session, name, comment=comment, lengths=lengths)
    return results.status(f"Table {name.name} successfully created.")


def _physical(name: Name, *, temporary: bool) -> str:
    return quoted(str(name)) if temporary else name.sql


def _make(session: Session, statement: exp.Create, target: str, translate: Translate, *, kind: str) -> None:
    like, clone = statement.find(exp.LikeProperty), statement.args.get("clone")
    if like or clone:
        source = qualify(session, (like or clone).this, "CREATE TABLE")
        if clone is not None and clone.args.get("expression"):
            raise unsupported("Time Travel: CLONE ... AT | BEFORE")
        copy(session, source, target, kind=kind, rows=clone is not None)
        return
    statement.set("properties", None)
    statement.set("replace", False)
    statement.set("exists", False)
    statement.set("clone", None)
    _constraints(statement)
    if isinstance(statement.args.get("expression"), exp.Expr):
        _unnamed(statement)
    table = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
    marker = exp.to_identifier("_sf_made", quoted=True)
    for key, value in (("this", marker), ("db", exp.to_identifier("X")), ("catalog", exp.to_identifier("X"))):
        table.set(key, value)
    sql = translate(session, statement)
    made = '"X"."X"."_sf_made"'
    session.duck.execute(sql.replace(f"CREATE TABLE {made}", f"CREATE {kind} {target}", 1))
    if statement.args.get("expression"):
        _widen(session, target)


def _unnamed(statement: exp.Create) -> None:
    """Refuse a column without a name in CREATE TABLE AS.

    :raises SnowflakeError: 002022.
    """
    query = statement.args["expression"]
    named = isinstance(statement.this, exp.Schema) and statement.this.expressions
    if named or not isinstance(query, exp.Select):
        return
    for each in query.expressions:
        if not isinstance(each, exp.Alias | exp.Column | exp.Dot) and not each.is_star:
            raise compilation("Missing column specification", 2022, "42601")


def _widen(session: Session, target: str) -> None:
    """Widen DuckDB's narrow integers to the type of NUMBER(38, 0), or a later INSERT would overflow."""
    for column, kind, *_ in session.duck.execute(f"DESCRIBE {target}").fetchall():
        wide = {"INTEGER": "BIGINT", "SMALLINT": "BIGINT", "TINYINT": "BIGINT", "HUGEINT": "DECIMAL(38,0)"}.get(kind)
        wide = wide or ("VARCHAR" if kind in {'"NULL"', "NULL"} else None)
        if wide:
            session.duck.execute(f"ALTER TABLE {target} ALTER {quoted(column)} TYPE {wide}")


def _constraints(statement: exp.Create) -> None:
    """Drop constraints that Snowflake does not enforce, and add checks for the lengths that DuckDB ignores."""
    if not isinstance(statement.this, exp.Schema) or statement.args.get("expression"):
        return
    kept: list[exp.Expr] = []
    required: set[str] = set()
    for each in statement.this.expressions:
        if isinstance(each, exp.PrimaryKey):
            required |= {fold(part.this if isinstance(part, exp.Ordered) else part) for part in each.expressions}
        elif isinstance(each, exp.Constraint):
            for key in each.find_all(exp.PrimaryKey):
                required |= {fold(part.this if isinstance(part, exp.Ordered) else part) for part in key.expressions}
        elif isinstance(each, exp.ColumnDef):
            kept.append(each)
    for column in kept:
        constraints = column.args.get("constraints") or []
        primary = any(isinstance(each.kind, exp.PrimaryKeyColumnConstraint) for each in constraints)
        constraints = [
            each for each in constraints if not isinstance(each.kind, (*_UNENFORCED, exp.CommentColumnConstraint))
        ]
        constraints = [each for each in constraints if not isinstance(each, exp.Reference)]
        if (primary or fold(column.this) in required) and not any(
            isinstance(each.kind, exp.NotNullColumnConstraint) for each in constraints
        ):
            constraints.append(exp.ColumnConstraint(kind=exp.NotNullColumnConstraint()))
        if length := _length(column):
            limit = exp.LTE(
                this=exp.Anonymous(this="LENGTH", expressions=[exp.Column(this=column.this.copy())]),
                expression=exp.Literal.number(length),
            )
            constraints.append(exp.ColumnConstraint(kind=exp.CheckColumnConstraint(this=limit)))
        column.set("constraints", constraints)
    statement.this.set("expressions", kept)


def _length(column: exp.ColumnDef) -> int | None:
    kind = column.args.get("kind")
    if isinstance(kind, exp.DataType) and kind.this in exp.DataType.TEXT_TYPES:
        if kind.expressions:
            return int(kind.expressions[0].name)
        return 1 if kind.this in {exp.DataType.Type.CHAR, exp.DataType.Type.NCHAR} else None
    return None


def _lengths(statement: exp.Create) -> list[tuple[str, int]]:
    if not isinstance(statement.this, exp.Schema):
        return []
    return [
        (fold(column.this), length)
        for column in statement.this.expressions
        if isinstance(column, exp.ColumnDef) and (length := _length(column))
    ]


def _sequences(name: Name, statement: exp.Create) -> list[str]:
    """Create sequences for AUTOINCREMENT and IDENTITY."""
    made = []
    if not isinstance(statement.this, exp.Schema):
        return []
    for column in statement.this.expressions:
        for constraint in column.args.get("constraints") or [] if isinstance(column, exp.ColumnDef) else []:
            kind = constraint.kind
            if not isinstance(kind, exp.AutoIncrementColumnConstraint | exp.GeneratedAsIdentityColumnConstraint):
                continue
            start, step = (
                value.sql() if isinstance(value := kind.args.get(key), exp.Expr) else "1"
                for key in ("start", "increment")
            )
            sequence = name._replace(
                name=f"_{name.name}_{uuid4().hex}"
            )  # the table may replace one with sequences of its own
            made.append(f"CREATE SEQUENCE {sequence.sql} START WITH {start} INCREMENT BY {step}")
            following = exp.Anonymous(this="NEXTVAL", expressions=[exp.Literal.string(sequence.sql)])
            constraint.set("kind", exp.DefaultColumnConstraint(this=following))
    return made


def copy(session: Session, source: Name, target: str, *, rows: bool, kind: str = "TABLE") -> None:
    """Create a table of the same definition, with or without the rows.

    :raises SnowflakeError: 002003 where the table does not exist.
    """
    physical = session.temporary.get(source)
    where, values = ("temporary AND table_name = ?", [physical]) if physical else (
        "database_name = ? AND schema_name = ? AND upper(table_name) = upper(?)", list(source)
    )  # fmt: skip
    found = session.duck.execute(f"SELECT sql FROM duckdb_tables() WHERE {where}", values).fetchone()
    if not found:
        raise missing("Object", str(source))
    definition = re.sub(
        r"^CREATE (?:TEMP(?:ORARY)? )?TABLE .*?\(", lambda _: f"CREATE {kind} {target}(", found[0], count=1
    )
    session.duck.execute(definition)
    if rows:
        session.duck.execute(f"INSERT INTO {target} SELECT * FROM {quoted(physical) if physical else source.sql}")


def drop(session: Session, kind: str, name: Name) -> None:
    """Drop a table, view or sequence that exists."""
    if kind == "TABLE" and name in session.temporary:
        session.duck.execute(f"DROP TABLE {quoted(session.temporary.pop(name))}")
        return
    with atomic(session):
        session.duck.execute(f"DROP {kind} {name.sql}")
        if kind == "TABLE":
            load_history.clear(session.duck, name)
    descriptions.delete(session, name)


def alter(session: Session, statement: exp.Alter, translate: Translate) -> Result:
    """Run ALTER TABLE or VIEW."""
    kind = str(statement.args.get("kind")).upper()
    if kind not in {"TABLE", "VIEW"}:
        raise unsupported(f"ALTER {kind}")
    name = qualify(session, statement.this, f"ALTER {kind}")
    there = kind_of(session, name)
    if there != kind:
        if not there and statement.args.get("exists"):
            return results.status()
        raise missing(kind.capitalize(), str(name))
    for action in statement.args.get("actions") or []:
        if isinstance(action, exp.SwapTable):
            _swap(session, name, qualify(session, action.this, "ALTER TABLE"))
        elif isinstance(action, exp.AlterRename):
            _rename(session, kind, name, qualify(session, action.this, "ALTER TABLE"))
        elif isinstance(action, exp.AlterSet) and (comment := action.find(exp.SchemaCommentProperty)):
            session.duck.execute(info_schema.insert_table_comment_sql(*name, comment.this.name.replace("'", "''")))
        elif isinstance(action, exp.AlterColumn) and action.args.get("comment"):
            text = literal(action.args["comment"].name)
            session.duck.execute(f"COMMENT ON COLUMN {name.sql}.{quoted(fold(action.this))} IS {text}")
        elif not isinstance(action, _WITHOUT_EFFECT):
            one = statement.copy()
            _constraints_of_action(action)
            one.set("actions", [action.copy()])
            session.duck.execute(translate(session, one))
    return results.status()


def _constraints_of_action(action: exp.Expr) -> None:
    """Split ADD COLUMN: DuckDB accepts no constraint there, and Snowflake's default fills the existing rows."""
    if isinstance(action, exp.ColumnDef):
        kept = [
            each for each in action.args.get("constraints") or [] if isinstance(each.kind, exp.DefaultColumnConstraint)
        ]
        action.set("constraints", kept)


def _rename(session: Session, kind: str, old: Name, new: Name) -> None:
    if kind_of(session, new):
        raise exists(new.name)
    if old in session.temporary:
        session.duck.execute(f"ALTER TABLE {quoted(session.temporary.pop(old))} RENAME TO {quoted(str(new))}")
        session.temporary[new] = str(new)
        return
    if (old.database, old.schema) != (new.database, new.schema):
        raise unsupported(f"ALTER {kind} RENAME TO another schema")
    with atomic(session):
        session.duck.execute(f"ALTER {kind} {old.sql} RENAME TO {quoted(new.name)}")
        load_history.move(session.duck, old, new)
    descriptions.move(session, old, new)


def _swap(session: Session, one: Name, other: Name) -> None:
    if kind_of(session, other) != "TABLE":
        raise missing("Table", str(other))
    if one.database != other.database or {one, other} & set(session.temporary):
        raise unsupported("ALTER TABLE ... SWAP WITH a temporary table or a table of another database")
    between = one._replace(name=f"{one.name}__SWAPPING")
    with atomic(session):
        if one.schema == other.schema:
            for old, new in ((one, between), (other, one), (between, other)):
                session.duck.execute(f"ALTER TABLE {old.sql} RENAME TO {quoted(new.name)}")
        else:
            copy(session, one, between.sql, rows=True)
            for source, target in ((other, one), (between, other)):
                session.duck.execute(f"DROP TABLE {target.sql}")
                copy(session, source, target.sql, rows=True)
            session.duck.execute(f"DROP TABLE {between.sql}")
        load_history.swap(session.duck, one, other)
    for old, new in ((one, between), (other, one), (between, other)):
        descriptions.move(session, old, new)

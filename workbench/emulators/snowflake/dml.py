"""INSERT, UPDATE, DELETE, MERGE, TRUNCATE: run by DuckDB, with the row counts that Snowflake returns.

MERGE is DuckDB's own, one atomic statement. fakesnow translates it to a temporary table and several statements, which
write to a second database and so hang or fail inside a transaction.
"""

# ruff: noqa: S608 -- names in SQL are quoted, values are bound

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import duckdb
from sqlglot import exp

from workbench.emulators.snowflake import load_history, results
from workbench.emulators.snowflake.errors import SnowflakeError, missing, unsupported
from workbench.emulators.snowflake.names import fold, qualify, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workbench.emulators.snowflake.results import Result
    from workbench.emulators.snowflake.sessions import Session

    Translate = Callable[[Session, exp.Expr], str]


@contextlib.contextmanager
def atomic(session: Session) -> Iterator[None]:
    """Apply all changes of the block or none; inside a transaction, the transaction decides."""
    if session.in_transaction:
        yield
        return
    session.duck.begin()
    try:
        yield
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            session.duck.rollback()
        raise
    session.duck.commit()


def run(session: Session, statement: exp.Expr, translate: Translate) -> Result:
    """Run one change."""
    if isinstance(statement, exp.TruncateTable):
        return _truncate(session, statement)
    if isinstance(statement, exp.Insert):
        return _insert(session, statement, translate)
    if isinstance(statement, exp.Merge):
        return _merge(session, statement, translate)
    if isinstance(statement, exp.Delete):
        return results.counts(results.DELETE, deleted=_count(session, translate(session, statement)))
    _unqualify(statement.expressions)
    changed = _count(session, translate(session, statement))
    return results.counts(results.UPDATE, updated=changed, multi=0)


def _count(session: Session, sql: str) -> int:
    return int(session.duck.execute(sql).fetchall()[0][0])


def _unqualify(assignments: list[exp.Expr]) -> None:
    """Replace `SET t.a = 1` by `SET a = 1`, for DuckDB."""
    for each in assignments:
        if isinstance(each, exp.EQ) and isinstance(each.this, exp.Column):
            for key in ("table", "db", "catalog"):
                each.this.set(key, None)


def _truncate(session: Session, statement: exp.TruncateTable) -> Result:
    name = qualify(session, statement.expressions[0], "TRUNCATE")
    physical = session.temporary.get(name)
    try:
        session.duck.execute(f"DELETE FROM {quoted(physical) if physical else name.sql}")
    except duckdb.CatalogException as error:
        if statement.args.get("exists"):
            return results.status()
        raise missing("Table", str(name)) from error
    load_history.clear(session.duck, name)
    return results.status()


def _insert(session: Session, statement: exp.Insert, translate: Translate) -> Result:
    if statement.args.get("overwrite"):
        statement.set("overwrite", None)
        target = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
        name = qualify(session, target, "INSERT")
        physical = session.temporary.get(name)
        sql = translate(session, statement)
        session.duck.execute(f"DELETE FROM {quoted(physical) if physical else name.sql}")
        return results.counts(results.INSERT, inserted=_count(session, sql))
    return results.counts(results.INSERT, inserted=_count(session, translate(session, statement)))


def _merge(session: Session, statement: exp.Merge, translate: Translate) -> Result:
    whens = statement.args["whens"].expressions
    performed: dict[str, int] = {}
    for when in whens:
        then = when.args["then"]
        if isinstance(then, exp.Update):
            _unqualify(then.expressions)
            performed["updated"] = 0
        elif isinstance(then, exp.Insert):
            performed["inserted"] = 0
        else:
            performed["deleted"] = 0
        if when.args.get("source"):
            raise unsupported("WHEN NOT MATCHED BY SOURCE")
    _refuse_duplicates(session, statement, translate)
    sql = translate(session, statement)
    for (action,) in session.duck.execute(f"{sql} RETURNING merge_action").fetchall():
        performed[{"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}[action]] += 1
    ordered = {key: performed[key] for key in ("inserted", "updated", "deleted") if key in performed}
    return results.counts(results.MERGE, **ordered)


def _refuse_duplicates(session: Session, statement: exp.Merge, translate: Translate) -> None:
    """Refuse two source rows for one target row, as Snowflake does by default.

    :raises SnowflakeError: 100090.
    """
    conditions = [
        when.args.get("condition") for when in statement.args["whens"].expressions if when.args.get("matched")
    ]
    if not conditions:
        return
    target, source, on = statement.this.copy(), statement.args["using"].copy(), statement.args["on"].copy()
    alias = fold(target.args["alias"].this) if target.args.get("alias") else fold(target.this)
    if not target.args.get("alias"):
        target.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    rowid = exp.Column(this=exp.to_identifier("rowid"), table=exp.to_identifier(alias, quoted=True))
    query = exp.select("1").from_(target).join(source, on=on).group_by(rowid).having("COUNT(*) > 1").limit(1)
    if all(condition is not None for condition in conditions):
        query = query.where(exp.or_(*(condition.copy() for condition in conditions if condition is not None)))
    if statement.args.get("with_"):
        query.set("with_", statement.args["with_"].copy())
    if session.duck.execute(translate(session, query)).fetchone():
        raise SnowflakeError("Duplicate row detected during DML action", 100090, "42P18")

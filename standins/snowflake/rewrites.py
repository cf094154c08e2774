"""Expressions that neither sqlglot nor fakesnow translates as Snowflake's documentation says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from standins.snowflake.errors import SnowflakeError, unsupported
from standins.snowflake.preparation import function_name

if TYPE_CHECKING:
    from standins.snowflake.sessions import Session


def apply(session: Session, statement: exp.Expr) -> exp.Expr:
    """Every rewrite, in order."""
    _refuse_time_travel(statement)
    return statement


def _refuse_time_travel(statement: exp.Expr) -> None:
    for table in statement.find_all(exp.Table):
        if table.args.get("when") or table.args.get("changes") or table.args.get("version"):
            raise unsupported("Time Travel: AT | BEFORE | CHANGES")


def result_scan(session: Session, statement: exp.Expr) -> None:
    """TABLE(RESULT_SCAN('id')): the remembered result, registered under a name of its own."""
    for call in list(statement.find_all(exp.Anonymous)):
        if function_name(call) != "RESULT_SCAN":
            continue
        argument = call.expressions[0]
        if function_name(argument) == "LAST_QUERY_ID":
            wanted = session.query_ids[-1] if session.query_ids else ""
        else:
            wanted = argument.name
        result = session.results.get(wanted)
        if result is None:
            raise SnowflakeError(f"Statement {wanted} not found", 709, "02000")
        name = f"_staged_{wanted.replace('-', '')}"
        session.duck.register(name, result.table)
        holder = call.parent
        if isinstance(holder, exp.TableFromRows | exp.Table):
            alias = holder.args.get("alias")
            holder.replace(exp.Table(this=exp.to_identifier(name, quoted=True), alias=alias))

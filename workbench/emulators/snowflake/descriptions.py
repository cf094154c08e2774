"""Descriptions of tables: the metadata that DuckDB cannot store, and DESCRIBE TABLE as Snowflake returns it.

Comments and the lengths of texts are kept in fakesnow's tables, which its SHOW and INFORMATION_SCHEMA read.
"""

# ruff: noqa: S608 -- names in SQL are quoted, values are bound

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlglot
from fakesnow import info_schema

from workbench.emulators.snowflake import results
from workbench.emulators.snowflake.engine import GLOBAL, INTERNAL
from workbench.emulators.snowflake.errors import missing
from workbench.emulators.snowflake.names import Name, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.emulators.snowflake.sessions import Session


def kind_of(session: Session, name: Name, *, permanent: bool = False) -> str | None:
    """Return whether a name is a TABLE or a VIEW; None where it is neither.

    :param permanent: ignore the session's temporary tables.
    """
    if not permanent and name in session.temporary:
        return "TABLE"
    found = session.duck.execute(
        "SELECT table_type FROM information_schema.tables "
        "WHERE table_catalog = ? AND table_schema = ? AND upper(table_name) = upper(?)",
        list(name),
    ).fetchone()
    return None if found is None else ("VIEW" if found[0] == "VIEW" else "TABLE")


def keep(session: Session, name: Name, *, comment: str | None, lengths: Iterable[tuple[str, int]]) -> None:
    """Store the metadata that DuckDB cannot store in fakesnow's tables: its SHOW and INFORMATION_SCHEMA read them."""
    delete(session, name)
    if comment is not None:
        session.duck.execute(info_schema.insert_table_comment_sql(*name, comment.replace("'", "''")))
    if found := list(lengths):
        session.duck.execute(info_schema.insert_text_lengths_sql(*name, found))


def delete(session: Session, name: Name) -> None:
    """Delete the metadata of a dropped object."""
    for table in ("_fs_tables_ext", "_fs_columns_ext"):
        session.duck.execute(
            f"DELETE FROM {GLOBAL}.{INTERNAL}.{table} "
            "WHERE ext_table_catalog = ? AND ext_table_schema = ? AND ext_table_name = ?",
            list(name),
        )


def move(session: Session, old: Name, new: Name) -> None:
    """Move the metadata of a renamed object."""
    for table in ("_fs_tables_ext", "_fs_columns_ext"):
        session.duck.execute(
            f"UPDATE {GLOBAL}.{INTERNAL}.{table} SET ext_table_schema = ?, ext_table_name = ? "
            "WHERE ext_table_catalog = ? AND ext_table_schema = ? AND ext_table_name = ?",
            [new.schema, new.name, *old],
        )


def snowflake_type(kind: str, length: int | None = None) -> str:
    """Return a DuckDB type as DESCRIBE TABLE spells it."""
    if kind.startswith("DECIMAL"):
        return f"NUMBER{kind.removeprefix('DECIMAL')}"
    about = results.column("", kind)
    return {
        "fixed": "NUMBER(38,0)",
        "text": f"VARCHAR({length or results.TEXT_LENGTH})",
        "binary": f"BINARY({results.BINARY_LENGTH})",
        "real": "FLOAT",
        "time": "TIME(9)",
        "timestamp_ntz": "TIMESTAMP_NTZ(9)",
        "timestamp_tz": "TIMESTAMP_TZ(9)",
    }.get(about.type, about.type.upper())


def described(session: Session, name: Name) -> list[dict[str, Any]]:
    """Return the rows of DESCRIBE TABLE.

    :raises SnowflakeError: 002003 where the table or view does not exist.
    """
    physical = session.temporary.get(name)
    if not physical and not kind_of(session, name):
        raise missing("Table", str(name))
    described_rows = session.duck.execute(f"DESCRIBE {quoted(physical) if physical else name.sql}").fetchall()
    lengths = dict(
        session.duck.execute(
            f"SELECT ext_column_name, ext_character_maximum_length FROM {GLOBAL}.{INTERNAL}._fs_columns_ext "
            "WHERE ext_table_catalog = ? AND ext_table_schema = ? AND ext_table_name = ?",
            list(name),
        ).fetchall()
    )
    comments = dict(
        session.duck.execute(
            "SELECT column_name, comment FROM duckdb_columns() "
            "WHERE database_name = ? AND schema_name = ? AND upper(table_name) = upper(?)",
            list(name),
        ).fetchall()
    )
    return [
        {
            "name": column, "type": snowflake_type(kind, lengths.get(column)), "kind": "COLUMN",
            "null?": "Y" if null == "YES" else "N", "default": _default(default), "primary key": "N", "unique key": "N",
            "check": None, "expression": None, "comment": comments.get(column), "policy name": None,
            "privacy domain": None,
        }
        for column, kind, null, _, default, _ in described_rows
    ]  # fmt: skip


def _default(sql: str | None) -> str | None:
    if not sql:
        return None
    if sql.lower().startswith("nextval"):
        return "IDENTITY START 1 INCREMENT 1"
    return str(sqlglot.transpile(sql, read="duckdb", write="snowflake")[0])

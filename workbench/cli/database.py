"""Query Airflow's database; every client gets the rows as one JSON value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg2 import sql

if TYPE_CHECKING:
    from psycopg2.extensions import connection

#: Any query's rows as one JSON value.
AS_JSON = "SELECT coalesce(json_agg(row_to_json(found)), '[]') FROM ({}) AS found"


def rows(session: connection, statement: str) -> list[dict[str, Any]]:
    """Return a query's rows; times come as text."""
    with session.cursor() as cursor:
        cursor.execute(sql.SQL(AS_JSON).format(sql.SQL(statement)))
        row = cursor.fetchone()
    return list(row[0]) if row else []

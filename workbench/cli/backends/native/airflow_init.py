"""Make or migrate Airflow's database, once for each version of Airflow; run by supervisor with `python -m`.

What is done is written on the database itself, as its comment and as the last step. A database without it is half-made,
or the user's, from a dump for one: it is migrated as it is, for Airflow goes on with what a first migration left.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from psycopg2 import sql

from workbench.cli.backends.native import postgres
from workbench.cli.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection

DATABASE = "airflow"


def main() -> int:
    """Leave a database that fits the installed Airflow.

    :return: the exit status.
    """
    settings = Settings.load()
    with postgres.connect(settings) as session:
        if _made_by(session) == wanted():
            return 0
        if not _exists(session):
            _execute(session, "CREATE DATABASE {}")
        migrate()
        _execute(session, "COMMENT ON DATABASE {} IS {}", wanted())
    return 0


def migrate() -> None:
    """Run Airflow's own command; where it fails, it ends this process."""
    from airflow.__main__ import main as airflow  # noqa: PLC0415 two seconds, which is only spent where it is needed

    sys.argv = ["airflow", "db", "migrate"]
    airflow()


def is_done(settings: Settings) -> bool:
    """Return whether there is nothing to do."""
    with postgres.connect(settings) as session:
        return _made_by(session) == wanted()


def wanted() -> str:
    """Return what the database of the installed Airflow is marked with."""
    return f"apache-airflow {version('apache-airflow')}"


def _made_by(session: connection) -> str | None:
    with session.cursor() as cursor:
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (DATABASE,))
        row = cursor.fetchone()
    return row[0] if row else None


def _exists(session: connection) -> bool:
    with session.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
        return cursor.fetchone() is not None


def _execute(session: connection, statement: str, *literals: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(DATABASE), *map(sql.Literal, literals)))


if __name__ == "__main__":
    raise SystemExit(main())

"""Make or migrate Airflow's database, once for each version of Airflow; run by supervisor with `python -m`.

The last step writes Airflow's version into the database's comment. A database without it is half-made, or the user's,
restored from a dump: it is migrated as it is, because Airflow continues a migration that was interrupted.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from psycopg2 import sql

from workbench.cli.backends.native import postgres
from workbench.cli.paths import ROOT
from workbench.cli.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection


def main() -> int:
    """Make the database fit the installed Airflow.

    :return: the exit status.
    """
    settings = Settings.load(ROOT)
    with postgres.connect(settings) as session:
        if postgres.migrated_by(session) == postgres.installed_airflow():
            return 0
        if not _exists(session):
            _execute(session, "CREATE DATABASE {}")
        migrate()
        _execute(session, "COMMENT ON DATABASE {} IS {}", postgres.installed_airflow())
    return 0


def migrate() -> None:
    """Run Airflow's own command; where it fails, it ends this process."""
    from airflow.__main__ import main as airflow  # noqa: PLC0415 two seconds, spent only where they are needed

    sys.argv = ["airflow", "db", "migrate"]
    airflow()


def _exists(session: connection) -> bool:
    with session.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", (postgres.DATABASE,))
        return cursor.fetchone() is not None


def _execute(session: connection, statement: str, *literals: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(postgres.DATABASE), *map(sql.Literal, literals)))


if __name__ == "__main__":
    raise SystemExit(main())

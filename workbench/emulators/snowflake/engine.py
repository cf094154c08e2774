"""fakesnow 0.12.1, as far as it is used here: its translation of Snowflake's SQL and its catalogue views.

Its server and its way to run a statement are not used: most of the defects that this package fixes sit there
(an HTTP 500 for what it does not know, `DESCRIBE` of a statement that has already run, load history wiped by
`CREATE TABLE IF NOT EXISTS`, two databases written in one transaction). Nothing of fakesnow is patched.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING

import duckdb
from fakesnow import info_schema, macros
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.transforms import show

if TYPE_CHECKING:
    from sqlglot import exp

    from workbench.emulators.snowflake.sessions import Session

FAKESNOW = "0.12.1"
"""`Translator` reads private attributes of this version."""

GLOBAL = "_fs_global"
"""The database in which fakesnow keeps what spans databases: stages, file formats, comments."""

INTERNAL = "_fs_information_schema"
"""fakesnow's schema in every database."""

if version("fakesnow") != FAKESNOW:
    raise ImportError(
        f"workbench.emulators.snowflake is written for fakesnow {FAKESNOW}, found {version('fakesnow')}: "
        "read workbench/emulators/snowflake/engine.py again, run its tests, then change FAKESNOW"
    )

# DuckDB advises its own API for Arrow results; the advice goes to whoever reads the server's log.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)


def open_duckdb() -> duckdb.DuckDBPyConnection:
    """DuckDB with the settings that fakesnow's SQL needs, and a laptop's share of memory."""
    return duckdb.connect(
        ":memory:",
        config={
            "lambda_syntax": "ENABLE_SINGLE_ARROW",  # what sqlglot writes
            "memory_limit": "384MB",  # beyond it goes to disk; the default is 80 % of the machine
            "threads": 2,
            "autoinstall_known_extensions": "false",  # there is no network
            "TimeZone": "UTC",
        },
    )


def global_catalogue_sql() -> str:
    """Return what fakesnow wants in the global database; safe to repeat."""
    return f"{info_schema.fs_global_creation_sql()};{show.fs_global_creation_sql()}"


def database_catalogue_sql(database: str) -> str:
    """Return what fakesnow wants in each database; safe to repeat."""
    return f"{info_schema.per_db_creation_sql(database)};{macros.creation_sql(database)}"


class Translator(FakeSnowflakeCursor):  # type: ignore[misc]  # untyped without the emulators' environment
    """fakesnow's transformation of one statement, without its execution."""

    def __init__(self, session: Session) -> None:
        super().__init__(conn=session, duck_conn=session.duck)

    def translate(self, expression: exp.Expr) -> exp.Expr:
        """Make the statement DuckDB's; what DuckDB has no place for (comments, text lengths) is in its `args`."""
        return self._transform(expression, None)

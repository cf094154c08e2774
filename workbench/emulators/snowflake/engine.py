"""The parts of fakesnow 0.12.1 that are used: its translation of Snowflake's SQL and its catalogue views.

Its server and its execution of statements are not used, because most of the defects that this package fixes are there:
HTTP 500 for unsupported statements, `DESCRIBE` of a statement that has already run, a load history that
`CREATE TABLE IF NOT EXISTS` deletes, two databases written in one transaction. Nothing of fakesnow is patched.
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
"""fakesnow's database for what all databases share: stages, file formats, comments."""

INTERNAL = "_fs_information_schema"
"""fakesnow's own schema in each database."""

if version("fakesnow") != FAKESNOW:
    raise ImportError(
        f"workbench.emulators.snowflake is written for fakesnow {FAKESNOW}, found {version('fakesnow')}: "
        "review workbench/emulators/snowflake/engine.py, run its tests, then change FAKESNOW"
    )

# DuckDB recommends its own API for Arrow results, in a warning that would fill the server's log.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)


def open_duckdb() -> duckdb.DuckDBPyConnection:
    """Return DuckDB with the settings that fakesnow's SQL needs, and a memory limit for a laptop."""
    return duckdb.connect(
        ":memory:",
        config={
            "lambda_syntax": "ENABLE_SINGLE_ARROW",  # the syntax that sqlglot writes
            "memory_limit": "384MB",  # beyond it DuckDB uses the disk; the default is 80 % of the machine
            "threads": 2,
            "autoinstall_known_extensions": "false",  # the network may be missing
            "TimeZone": "UTC",
        },
    )


def global_catalogue_sql() -> str:
    """Return the SQL of fakesnow's objects in the global database; safe to repeat."""
    return f"{info_schema.fs_global_creation_sql()};{show.fs_global_creation_sql()}"


def database_catalogue_sql(database: str) -> str:
    """Return the SQL of fakesnow's objects in each database; safe to repeat."""
    return f"{info_schema.per_db_creation_sql(database)};{macros.creation_sql(database)}"


class Translator(FakeSnowflakeCursor):  # type: ignore[misc]  # untyped without the emulators' environment
    """fakesnow's transformation of one statement, without its execution."""

    def __init__(self, session: Session) -> None:
        super().__init__(conn=session, duck_conn=session.duck)

    def translate(self, expression: exp.Expr) -> exp.Expr:
        """Return the statement for DuckDB; what DuckDB cannot store (comments, text lengths) is in its `args`."""
        return self._transform(expression, None)

"""The account: DuckDB, its databases as files, and the objects that exist before the first login.

fakesnow keeps stages and file formats in memory. Here the global database is a file like the others, so they survive a
restart and a kill.
"""

# ruff: noqa: S608 -- names in SQL are quoted, values are bound

from __future__ import annotations

import re
import shutil
import threading
from typing import TYPE_CHECKING

import duckdb

from workbench.emulators.recovery import move_aside
from workbench.emulators.snowflake import catalogue, engine, load_history, macros
from workbench.emulators.snowflake.errors import exists, missing, unsupported
from workbench.emulators.snowflake.locks import TableLocks
from workbench.emulators.snowflake.names import literal, quoted
from workbench.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.emulators.snowflake.external_stage import ObjectStore

PREPARED = "TELECOMS"
"""The database of the pipeline, which exists from the start."""

USER = "workbench"
PASSWORD = "offline"  # noqa: S105 not a secret: the emulator knows this one only
"""The only login; it is valid for this emulator alone."""

STAGE_OPTIONS = f"{engine.GLOBAL}.{engine.INTERNAL}._stage_options"
"""The options of a stage that fakesnow's own table has no column for: its file format."""


class Account:
    """One Snowflake account, persisted in a folder.

    :param data: the folder with a file `<DATABASE>.db` for each database, and the global database.
    :param objects: the objects behind `s3://`.
    """

    def __init__(self, data: Path, objects: ObjectStore) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.data = data
        self.objects = objects
        self.locks = TableLocks()
        self.scratch = data / "scratch"
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        self._check_files()
        self._ddl = threading.Lock()
        self.duck = engine.open_duckdb()
        self.duck.execute(f"SET temp_directory = {literal(str(self.scratch / 'duckdb'))}")
        self._attach(engine.GLOBAL, engine.global_catalogue_sql())
        self.duck.execute(
            f"CREATE TABLE IF NOT EXISTS {STAGE_OPTIONS} (database_name TEXT, schema_name TEXT, name TEXT, "
            "options TEXT, PRIMARY KEY (database_name, schema_name, name))"
        )
        self.duck.execute(macros.creation_sql("memory"))  # for sessions without a current database
        for file in sorted(data.glob("*.db")):
            self._open(file.stem)
        if PREPARED not in self.databases():
            self.create_database(PREPARED)

    def databases(self) -> list[str]:
        """Return the names of the databases, in order."""
        rows = self.duck.cursor().execute("SELECT database_name FROM duckdb_databases() WHERE NOT internal").fetchall()
        return sorted(name for (name,) in rows if name not in {engine.GLOBAL, "memory"})

    def create_database(self, name: str) -> None:
        """Create a database with its schema PUBLIC.

        :raises SnowflakeError: 002002 where it exists, 000002 where the name is not a valid file name.
        """
        if not re.fullmatch(r"[A-Z_][A-Z0-9_$]*", name):
            raise unsupported(f"a database named {name}: upper-case letters, digits and _ only")
        with self._ddl:
            if name in self.databases():
                raise exists(name)
            self._open(name)
            self.duck.cursor().execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name)}.PUBLIC")

    def drop_database(self, name: str) -> None:
        """Drop a database and delete its file.

        :raises SnowflakeError: 002043 where it does not exist.
        """
        with self._ddl:
            if name not in self.databases():
                raise missing("Database", name)
            with self.duck.cursor() as duck:
                duck.execute(f"DETACH {quoted(name)}")
                for table in ("_fs_stages", "_fs_file_formats", "_stage_options"):
                    duck.execute(
                        f"DELETE FROM {engine.GLOBAL}.{engine.INTERNAL}.{table} WHERE database_name = ?", [name]
                    )
            for file in (
                self.data / f"{name}.db.wal",
                self.data / f"{name}.db",
            ):  # the log first: it must not exist without the file
                file.unlink(missing_ok=True)

    def close(self) -> None:
        """Write everything to the databases' files."""
        for name in [*self.databases(), engine.GLOBAL]:
            try:
                self.duck.execute(f"CHECKPOINT {quoted(name)}")
            except duckdb.TransactionException:
                continue  # a session has an open transaction: its log is replayed at the next start
        self.duck.close()

    def _attach(self, name: str, sql: str) -> None:
        file = self.data / (f"{name}.duckdb" if name == engine.GLOBAL else f"{name}.db")
        try:
            self.duck.execute(f"ATTACH IF NOT EXISTS {literal(str(file))} AS {quoted(name)}")
            self.duck.execute(sql)
        except duckdb.Error as error:
            raise UserError(
                f"the warehouse's file {file} cannot be used",
                str(error).split("\n", maxsplit=1)[0],
                f"free disk space or fix its permissions; if damaged: {move_aside(file)}, and load the data again",
            ) from error

    def _check_files(self) -> None:
        """Refuse to start where the file of a log is missing: DuckDB would delete the log with its data."""
        for log in self.data.glob("*.wal"):
            if not log.with_suffix("").exists() and log.stat().st_size:
                raise UserError(
                    f"the warehouse's file {log.with_suffix('')} is missing",
                    f"its log {log.name} exists, and holds the last changes",
                    f"put the file back; or {move_aside(log)}",
                )

    def _open(self, name: str) -> None:
        self._attach(name, engine.database_catalogue_sql(name))
        self.duck.execute(catalogue.creation_sql(name))
        self.duck.execute(load_history.creation_sql(name))
        self.duck.execute(macros.creation_sql(name))

"""The database's folder: made once, resumed after an interruption, and never deleted."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from workbench.cli import keys
from workbench.cli.backends.native import airflow_init, postgres
from workbench.cli.backends.native import start as native_start
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workbench.cli.settings import Settings


@pytest.fixture
def settings(load: Callable[..., Settings]) -> Settings:
    """Settings of a checkout in which nothing has been made."""
    settings = load()
    settings.run.mkdir()
    postgres.make_socket_folder(settings)
    return settings


@pytest.fixture
def data(settings: Settings) -> Path:
    """A complete database's folder."""
    postgres.make_cluster(settings)
    return settings.run / "postgres"


def content(folder: Path) -> dict[str, bytes]:
    """Read a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@contextmanager
def serving(settings: Settings) -> Iterator[None]:
    """Run the server until the block ends."""
    log = settings.run / "postgres.log"
    with log.open("wb") as output, subprocess.Popen(postgres.command(settings), stdout=output, stderr=output) as server:
        try:
            while not postgres.accepts(settings):
                assert server.poll() is None, log.read_text()
            yield
        finally:
            server.send_signal(signal.SIGINT)


def query(settings: Settings, database: str, statement: str) -> list[tuple[object, ...]]:
    """Run one statement."""
    with postgres.connect(settings, database) as session, session.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_version_file(settings: Settings, data: Path) -> None:
    """Without its version file it is left alone, and the error says how to go on.

    Whatever took the file away, the runs are still there; the first way to go on brings them back.
    """
    (data / "PG_VERSION").unlink()
    before = content(data)

    with pytest.raises(UserError, match="PG_VERSION is missing; it holds base, global") as refused:
        postgres.make_cluster(settings)

    assert content(data) == before
    copy, separator, _ = refused.value.fix.partition(" restores it")
    assert separator
    subprocess.run(["sh", "-c", copy], check=True)
    postgres.make_cluster(settings)
    with serving(settings):
        assert query(settings, "postgres", "SELECT 1") == [(1,)]


@pytest.mark.parametrize("kind", ["notes", "file", "link", "nearly"])
def test_not_a_database(settings: Settings, kind: str) -> None:
    """What is not a database is left alone."""
    data = settings.run / "postgres"
    if kind == "file":
        data.write_text("mine")
    elif kind == "link":  # to a disk that is not mounted
        data.symlink_to(settings.run / "elsewhere")
    else:
        (data / "global").mkdir(parents=True)
        (data / ("PG_VERSION" if kind == "nearly" else "notes.txt")).write_text("mine")
    before = content(settings.run)

    with pytest.raises(UserError, match="was not changed"):
        postgres.make_cluster(settings)

    assert content(settings.run) == before
    assert data.is_symlink() == (kind == "link")


def test_interrupted(settings: Settings) -> None:
    """An interrupted initdb is repeated, and an empty folder is used."""
    for name in ("postgres", "postgres.unfinished"):
        (settings.run / name).mkdir()
    (settings.run / "postgres.unfinished/PG_VERSION").write_text("16\n")
    postgres.make_cluster(settings)
    assert postgres.has_cluster(settings)
    assert not (settings.run / "postgres.unfinished").exists()


def test_used_draft(settings: Settings, data: Path) -> None:
    """A database under the name of an interrupted one is left alone."""
    with serving(settings):
        pass
    copy = settings.run / "postgres.unfinished"
    shutil.move(data, copy)
    before = content(copy)
    with pytest.raises(UserError, match="a database server has used it"):
        postgres.make_cluster(settings)
    assert content(copy) == before


@pytest.mark.usefixtures("data")
def test_restored(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that somebody restored is migrated and not dropped: `pg_restore` brings no comment of the database."""
    migrated: list[bool] = []
    monkeypatch.setattr(airflow_init.Settings, "load", lambda root: settings)
    monkeypatch.setattr(airflow_init, "migrate", lambda: migrated.append(True))
    with serving(settings):
        query(settings, "postgres", "CREATE DATABASE airflow")
        query(settings, "airflow", "CREATE TABLE dag_run AS SELECT 'kept' AS run_id")
        assert airflow_init.main() == 0
        assert query(settings, "airflow", "SELECT run_id FROM dag_run") == [("kept",)]
        assert postgres.is_migrated(settings)
    assert migrated


def test_lost_key(settings: Settings) -> None:
    """A new Fernet key for a database that has another is announced."""
    console = Console(record=True, file=io.StringIO(), soft_wrap=True)
    native_start.warn_of_lost_key(settings, console)  # the first start
    postgres.make_cluster(settings)
    keys.make_local_keys(settings)
    native_start.warn_of_lost_key(settings, console)
    assert console.export_text() == ""
    (settings.keys / "fernet_key").unlink()
    native_start.warn_of_lost_key(settings, console)
    assert "fernet_key is missing" in console.export_text()

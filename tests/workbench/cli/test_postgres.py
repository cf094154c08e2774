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
from workbench.cli.backends.native.supervise import make_socket_folder
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
    make_socket_folder(settings)
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


def test_without_its_version_file_it_is_left_alone_and_the_error_says_how_to_go_on(
    settings: Settings, data: Path
) -> None:
    """Whatever took the file away, the runs are still there; the first way to go on brings them back."""
    (data / "PG_VERSION").unlink()
    before = content(data)

    with pytest.raises(UserError, match="PG_VERSION is missing; it holds base, global") as refused:
        postgres.make_cluster(settings)

    assert content(data) == before
    copy, separator, _ = refused.value.fix.partition(" puts it back")
    assert separator
    subprocess.run(["sh", "-c", copy], check=True)
    postgres.make_cluster(settings)
    with serving(settings):
        assert query(settings, "postgres", "SELECT 1") == [(1,)]


@pytest.mark.parametrize("kind", ["notes", "file", "link", "nearly"])
def test_what_is_no_database_is_left_alone(settings: Settings, kind: str) -> None:
    data = settings.run / "postgres"
    if kind == "file":
        data.write_text("mine")
    elif kind == "link":  # to a disk that is not mounted
        data.symlink_to(settings.run / "elsewhere")
    else:
        (data / "global").mkdir(parents=True)
        (data / ("PG_VERSION" if kind == "nearly" else "notes.txt")).write_text("mine")
    before = content(settings.run)

    with pytest.raises(UserError, match="was left as it is"):
        postgres.make_cluster(settings)

    assert content(settings.run) == before
    assert data.is_symlink() == (kind == "link")


def test_an_interrupted_initdb_is_made_good_and_an_empty_folder_is_used(settings: Settings) -> None:
    for name in ("postgres", "postgres.unfinished"):
        (settings.run / name).mkdir()
    (settings.run / "postgres.unfinished/PG_VERSION").write_text("16\n")
    postgres.make_cluster(settings)
    assert postgres.has_cluster(settings)
    assert not (settings.run / "postgres.unfinished").exists()


def test_a_database_under_the_name_of_an_interrupted_one_is_left_alone(settings: Settings, data: Path) -> None:
    with serving(settings):
        pass
    copy = settings.run / "postgres.unfinished"
    shutil.move(data, copy)
    before = content(copy)
    with pytest.raises(UserError, match="a server has run on it"):
        postgres.make_cluster(settings)
    assert content(copy) == before


@pytest.mark.usefixtures("data")
def test_a_database_that_somebody_restored_is_migrated_and_not_dropped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pg_restore` brings the tables and not the comment."""
    migrated: list[bool] = []
    monkeypatch.setattr(airflow_init.Settings, "load", lambda: settings)
    monkeypatch.setattr(airflow_init, "migrate", lambda: migrated.append(True))
    with serving(settings):
        query(settings, "postgres", "CREATE DATABASE airflow")
        query(settings, "airflow", "CREATE TABLE dag_run AS SELECT 'kept' AS run_id")
        assert airflow_init.main() == 0
        assert query(settings, "airflow", "SELECT run_id FROM dag_run") == [("kept",)]
        assert airflow_init.is_done(settings)
    assert migrated


def test_a_new_fernet_key_for_a_database_that_has_another_is_said(settings: Settings) -> None:
    console = Console(record=True, file=io.StringIO(), soft_wrap=True)
    native_start.warn_of_lost_key(settings, console)  # the first start
    postgres.make_cluster(settings)
    keys.make_keys(settings)
    native_start.warn_of_lost_key(settings, console)
    assert console.export_text() == ""
    (settings.keys / "fernet_key").unlink()
    native_start.warn_of_lost_key(settings, console)
    assert "fernet_key is missing" in console.export_text()

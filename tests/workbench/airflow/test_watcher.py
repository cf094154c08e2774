"""The watcher of DAG files, on a real file system."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from workbench.airflow.watcher import EVENTS, POLLING, Changes, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.unit
PATIENCE = 30


@dataclass
class Ears:
    """Hears what a watcher says."""

    rung: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    modes: list[str] = field(default_factory=list)

    def report(self, mode: str, reason: str) -> None:
        """Note how files are watched."""
        assert reason
        self.modes.append(mode)


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    """A folder of DAG files."""
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "first.py").write_text("1")
    return folder


@pytest.fixture
def watcher(dags: Path, ears: Ears) -> Iterator[Watcher]:
    watcher = Watcher((str(dags),), ears.rung.release, ears.report)
    watcher.start()
    yield watcher
    watcher.stop()
    assert not watcher.alive


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, or fail."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def heard(watcher: Watcher, ears: Ears, path: Path) -> Changes:
    """Wait until a change of a path is noticed, and return all changes until then."""
    changes = Changes()
    while str(path) not in changes.saved:
        assert ears.rung.acquire(timeout=PATIENCE)
        changes |= watcher.take()
    return changes


def test_saved(watcher: Watcher, ears: Ears, dags: Path) -> None:
    """A saved file is noticed however it is saved."""
    file = dags / "first.py"
    file.write_text("2")
    assert not heard(watcher, ears, file).listed
    (dags / "first.py~").write_text("33")
    (dags / "first.py~").replace(file)  # as editors do it
    assert not heard(watcher, ears, file).listed
    times = file.stat()
    file.write_text("44")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # as archives do it
    assert not heard(watcher, ears, file).listed
    assert ears.modes == [EVENTS]


def test_listed(watcher: Watcher, ears: Ears, dags: Path) -> None:
    """New and deleted files are noticed as such, with their folder."""
    file = dags / "folder/of/second.py"
    file.parent.mkdir(parents=True)
    file.write_text("2")
    changes = heard(watcher, ears, file)
    assert str(file) in changes.listed
    assert str(file.parent) in changes.saved
    file.unlink()
    assert str(file) in heard(watcher, ears, file).listed


def test_many(watcher: Watcher, ears: Ears, dags: Path) -> None:
    """Many files at once are noticed together."""
    files = [dags / f"dag_{number}.py" for number in range(100)]
    for file in files:
        file.write_text("checked out")
    noticed, changes = 0, Changes()
    while not {str(file) for file in files} <= changes.saved:
        assert ears.rung.acquire(timeout=PATIENCE)
        noticed, changes = noticed + 1, changes | watcher.take()
    assert noticed < len(files) / 4


def test_meaningless(watcher: Watcher, ears: Ears, dags: Path) -> None:
    """What interpreters and editors leave is not noticed."""
    (dags / "__pycache__").mkdir()
    for name in ("__pycache__/first.cpython-311.pyc", ".first.py.swp", "first.py~", "4913", ".#first.py"):
        (dags / name).write_text("noise")
    (dags / "first.py").write_text("signal")
    assert heard(watcher, ears, dags / "first.py") == Changes(frozenset({str(dags / "first.py")}))


def test_elsewhere(watcher: Watcher, ears: Ears, dags: Path, tmp_path: Path) -> None:
    """Files elsewhere are watched once they are named."""
    there, missing = tmp_path / "elsewhere.sql", tmp_path / "missing.yaml"
    there.write_text("SELECT 1")
    watcher.look_also_at({str(there), str(missing), str(dags / "first.py")})
    there.write_text("SELECT 22")
    heard(watcher, ears, there)
    missing.write_text("here: now")
    assert str(missing) in heard(watcher, ears, missing).listed
    watcher.look_also_at(())
    there.write_text("SELECT 333")
    (dags / "first.py").write_text("2")
    assert str(there) not in heard(watcher, ears, dags / "first.py").saved
    assert ears.modes == [EVENTS]


def test_links(watcher: Watcher, ears: Ears, dags: Path, tmp_path: Path) -> None:
    """Folders behind links are watched, and circles end."""
    real = tmp_path / "real"
    real.mkdir()
    (real / "circle").symlink_to(dags)
    (dags / "link").symlink_to(real)
    (real / "linked.py").write_text("1")
    assert str(real / "linked.py") in heard(watcher, ears, real / "linked.py").listed


def test_polls(watcher: Watcher, ears: Ears, dags: Path, tmp_path: Path) -> None:
    """Where no events arrive, the watcher polls and reports that.

    A file that is written by another name, outside of the watched folder, sends no event to the folder.
    """
    other_name = tmp_path / "other_name.py"
    os.link(dags / "first.py", other_name)
    other_name.write_text("22")
    heard(watcher, ears, dags / "first.py")
    until(lambda: ears.modes == [EVENTS, POLLING])
    other_name.write_text("333")
    heard(watcher, ears, dags / "first.py")
    (dags / "first.py").write_text("4444")  # by the name that sends events
    until(lambda: ears.modes == [EVENTS, POLLING, EVENTS])


def test_new_folders(watcher: Watcher, ears: Ears, dags: Path) -> None:
    """Files in new folders do not count as missing events.

    Of a file that is saved before its new folder is listened to there is no event.
    """
    for number in range(10):
        file = dags / f"new_{number}" / "file.py"
        file.parent.mkdir()
        file.write_text("1")
        heard(watcher, ears, file)
    until(lambda: not watcher._unannounced)
    assert ears.modes == [EVENTS]


def test_no_events(ears: Ears, tmp_path: Path) -> None:
    """A system without file events is polled from the start."""
    folder = tmp_path / "not there yet"
    watcher = Watcher((str(folder),), ears.rung.release, ears.report)
    watcher.start()
    assert ears.modes == [POLLING]
    folder.mkdir()
    (folder / "first.py").write_text("1")
    assert str(folder / "first.py") in heard(watcher, ears, folder / "first.py").listed
    watcher.stop()

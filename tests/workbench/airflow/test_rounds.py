"""Rounds of the alerts: forked when something failed, one at a time, and harmless to the scheduler."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from workbench.airflow import rounds
from workbench.airflow.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], Path]:
    """Return what a round does; give the folder in which each leaves a file."""
    monkeypatch.setattr(rounds, "SHORTEST_PAUSE_SECONDS", 0.0)

    def be(deed: Callable[[], object]) -> Path:
        def one() -> None:
            (tmp_path / str(os.getpid())).touch()
            deed()

        monkeypatch.setattr(rounds, "_round", one)
        return tmp_path

    return be


def count(folder: Path, looked: Rounds) -> int:
    """Wait until no round is under way; give how many there were."""
    deadline = time.monotonic() + 30
    while looked.sentinels():
        assert time.monotonic() < deadline
        looked.step()
        time.sleep(0.01)
    return len(list(folder.iterdir()))


def test_requested(be: Callable[..., Path]) -> None:
    """There is a round at the start, and then one for each request."""
    folder, looked = be(lambda: None), Rounds()
    looked.step()
    assert count(folder, looked) == 1
    looked.step()
    assert count(folder, looked) == 1
    looked.request()
    looked.step()
    assert count(folder, looked) == 2


def test_due(be: Callable[..., Path]) -> None:
    """A round that leaves something is followed by another."""
    folder, looked = be(lambda: sys.exit(rounds.DUE_IN)), Rounds()
    looked.step()
    assert count(folder, looked) == 1
    deadline = time.monotonic() + 30
    while not looked.sentinels():
        assert time.monotonic() < deadline
        looked.step()
    assert count(folder, looked) == 2


@pytest.mark.parametrize("deed", [lambda: sys.exit(1), lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_crash(deed: Callable[[], object], be: Callable[..., Path]) -> None:
    """A round that crashes is followed by another at the next request."""
    folder, looked = be(deed), Rounds()
    looked.step()
    assert count(folder, looked) == 1
    looked.request()
    looked.step()
    assert count(folder, looked) == 2


def test_requested_meanwhile(be: Callable[..., Path]) -> None:
    """A request during a round causes one more."""
    folder, looked = be(lambda: time.sleep(0.2)), Rounds()
    looked.step()
    looked.request()
    looked.step()
    deadline = time.monotonic() + 30
    while len(list(folder.iterdir())) < 2:
        assert time.monotonic() < deadline
        looked.step()
        time.sleep(0.01)
    assert count(folder, looked) == 2


def test_stuck(be: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that takes too long is killed."""
    monkeypatch.setattr(rounds, "TIMEOUT_SECONDS", 0.2)
    folder, looked = be(lambda: time.sleep(600)), Rounds()
    looked.step()
    assert count(folder, looked) <= 1


def test_end(be: Callable[..., Path]) -> None:
    """A round ends with the scheduler."""
    be(lambda: time.sleep(600))
    looked = Rounds()
    looked.step()
    (sentinel,) = looked.sentinels()
    assert sentinel
    looked.end()
    looked.step()
    assert looked.sentinels() == []


def test_no_fork(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where no round can be forked, the scheduler goes on."""
    looked = Rounds()

    def fail() -> None:
        raise OSError("out of processes")

    monkeypatch.setattr(looked, "_begin", fail)
    looked.step()
    assert "The check for unsent alerts failed" in caplog.text

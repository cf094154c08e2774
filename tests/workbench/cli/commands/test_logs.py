"""The ends of logs, whatever their size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.cli import log_files
from workbench.cli.commands import logs

if TYPE_CHECKING:
    from pathlib import Path


def test_last_lines(tmp_path: Path) -> None:
    """The last lines are read, even of a large log with broken text."""
    log = tmp_path / "scheduler.log"
    log.write_bytes(b"x" * 79 * (1 << 15) + b"\none\ntw\xff\nthree\n")
    assert log_files.last_lines(log, 3) == ["one", "tw\ufffd", "three"]
    assert log_files.last_lines(log, 0) == []
    assert log_files.last_lines(tmp_path / "none.log", 3) == []


def test_labels() -> None:
    """With several services, each line starts with its service's name."""
    assert logs._labelled("scheduler", "started", alone=True) == "started"
    assert logs._labelled("scheduler", "started", alone=False) == "scheduler      | started"

"""The ends of logs, whatever their size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.cli import log_files
from workbench.cli.commands import logs

if TYPE_CHECKING:
    from pathlib import Path


def test_the_last_lines_are_read_even_of_a_large_log_with_broken_text(tmp_path: Path) -> None:
    log = tmp_path / "scheduler.log"
    log.write_bytes(b"x" * 79 * (1 << 15) + b"\none\ntw\xff\nthree\n")
    assert log_files.last_lines(log, 3) == ["one", "tw\ufffd", "three"]
    assert log_files.last_lines(log, 0) == []
    assert log_files.last_lines(tmp_path / "none.log", 3) == []


def test_with_several_services_each_line_bears_its_name() -> None:
    assert logs._labelled("scheduler", "started", alone=True) == "started"
    assert logs._labelled("scheduler", "started", alone=False) == "scheduler      | started"

"""What a test started is undone, whatever becomes of the test's process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.undo import undone

if TYPE_CHECKING:
    from pathlib import Path

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.undo import undone

with undone(["touch", "undone"], cwd=Path(sys.argv[1]), env=os.environ):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_end(tmp_path: Path) -> None:
    """All commands have run when the block has ended, and none before."""
    with undone(["touch", "a b"], ["touch", "c"], cwd=tmp_path, env=os.environ):
        assert list(tmp_path.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"a b", "c"}


def test_killed(tmp_path: Path) -> None:
    """They run as well where the process is killed."""
    ran = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert ran.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while not (tmp_path / "undone").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)

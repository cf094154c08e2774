"""What `airflow-init` refuses before it changes anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_retired(tmp_path: Path) -> None:
    """A retired setting of .env, which Compose passes on, stops the start with its new name."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KEYS_DIR": str(tmp_path), "STANDINS_HOST": "elsewhere"}
    command = [sys.executable, ROOT / "compose/init.py"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == (
        "error: STANDINS_HOST is now called EMULATORS_HOST\n"
        "  why:  .env sets the old name, which has no effect any more\n"
        "  fix:  in .env, set EMULATORS_HOST instead of STANDINS_HOST\n"
    )
    assert not list(tmp_path.iterdir())

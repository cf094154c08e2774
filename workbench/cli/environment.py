"""Run the tools of the locked environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def tool_environment() -> dict[str, str]:
    """Return the process environment with the tools of the running Python first on PATH."""
    return os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])}

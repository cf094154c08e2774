"""Where things are in a checkout."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

RUN = ROOT / ".run"
"""Everything that running makes: keys, databases, logs. Git-ignored; `./dev reset` deletes it."""


def short_folder(root: Path) -> Path:
    """Return the name of a short folder for the sockets of a checkout whose own path is too long for them.

    It is the same for every process that works in the checkout, whatever its TMPDIR.
    """
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    return Path("/tmp") / f"airflow-workbench-{digest}"  # noqa: S108 its owner and mode are checked

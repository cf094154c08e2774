"""Where things are in a checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

RUN = ROOT / ".run"
"""Everything that running makes: keys, databases, logs. Git-ignored; `./dev reset` deletes it."""

"""The way to start again without a damaged file or folder, and to keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def move_aside(path: Path) -> str:
    """Return the fix that moves a damaged file or folder aside, natively and in Docker."""
    move = f"mv '{path}' '{path}.kept'"
    return f"{move} keeps the old data (in Docker: docker compose run --rm --no-deps emulators {move}), then ./dev up"

"""Errors that a user can fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class EmulatorError(Exception):
    """A foreseen failure: said in one message, exit status 1, no traceback.

    :param what: what failed, without a full stop.
    :param why: the cause, as precisely as it is known.
    :param fix: the command or the edit that fixes it.
    """

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        """Return the message as the command line prints it."""
        return f"error: {self.what}\n  why:  {self.why}\n  fix:  {self.fix}"


def aside(path: Path) -> str:
    """Return how to begin without a file or folder and still keep it, natively and in Docker."""
    move = f"mv '{path}' '{path}.kept'"
    return f"{move} keeps it aside (in Docker: docker compose run --rm --no-deps emulators {move}), then ./dev up"

"""Errors that a user can mend."""

from __future__ import annotations


class StandinError(Exception):
    """A foreseen failure: said in one message, exit status 1, no traceback.

    :param what: what failed, without a full stop.
    :param why: the cause, as precisely as it is known.
    :param mend: the command or the edit that mends it.
    """

    def __init__(self, what: str, why: str, mend: str) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.mend = mend

    def __str__(self) -> str:
        """Give the message as the command line prints it."""
        return f"error: {self.what}\n  why:  {self.why}\n  mend: {self.mend}"

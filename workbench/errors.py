"""The error that a user can fix; one class for the whole project. This module imports nothing."""

from __future__ import annotations


class UserError(Exception):
    """A foreseen failure: printed as one message, exit status 1, no traceback.

    :param what: what failed, without a full stop.
    :param why: the cause, as precisely as it is known.
    :param fix: the command or the edit that fixes it.
    :param code: a stable name for scripts; docs/reference/json.md lists all of them.
    """

    def __init__(self, what: str, why: str, fix: str, code: str = "failed") -> None:
        super().__init__(f"{what}: {why} ({fix})")
        self.what = what
        self.why = why
        self.fix = fix
        self.code = code

    def to_json(self) -> dict[str, str]:
        """Return it as the `error` of the JSON envelope."""
        return {"code": self.code, "what": self.what, "why": self.why, "fix": self.fix}

"""What one check of `./dev doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

OK, WARNING, ERROR = "ok", "warning", "error"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    :ivar verdict: ok, warning or error; an error keeps `./dev up` from working.
    :ivar fix: what fixes it; empty where nothing has to be done.
    """

    subject: str
    verdict: str
    found: str
    fix: str = ""


def checked(subject: str, check: Callable[[], str]) -> Finding:
    """Return the result of a check of `./dev up`, which raises an error, as a finding."""
    try:
        return Finding(subject, OK, check())
    except UserError as error:
        return Finding(subject, ERROR, f"{error.what}: {error.why}", error.fix)

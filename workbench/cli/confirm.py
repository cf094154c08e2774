"""Ask a person before something that cannot be undone."""

from __future__ import annotations

import sys

from workbench.errors import UserError


def confirm(question: str, *, refused: str, fix: str) -> None:
    """Have a person confirm on the terminal.

    :param question: what will happen.
    :param refused: the error's text where the answer is no, or where nobody can be asked.
    :param fix: the command that does not ask.
    :raises UserError: unless the answer is yes.
    """
    if not sys.stdin.isatty():
        raise UserError(refused, f"{question}; there is no terminal to confirm it in", fix, "not-confirmed")
    print(f"{question}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UserError(refused, "the answer was not yes", fix, "not-confirmed")

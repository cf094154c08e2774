"""Text that Slack shows as it is: control sequences escaped, cut to a limit."""

from __future__ import annotations

import re

#: What no text needs and JSON, Slack or a terminal may choke on: control characters and colours of terminals.
UNSEEN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
ELLIPSIS = "..."


def clean(text: str) -> str:
    """Take away what cannot be shown; halves of surrogate pairs become question marks."""
    return UNSEEN.sub("", text.replace("\r\n", "\n")).encode("utf-8", "replace").decode("utf-8")


def escaped(text: str, limit: int) -> str:
    """Escape the three characters that Slack reads as control sequences, and cut to a limit.

    :param limit: in UTF-16 units, the longest way that anyone counts a text's characters; the ellipsis is within it.
    """
    return cut(clean(text), limit, {"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def code(text: str, limit: int) -> str:
    """Make a block of code that no backtick in the text can end."""
    fence = "```\n", "\n```"
    inner = escaped(clean(text).replace("```", "'''"), limit - len("".join(fence)))
    return fence[0] + inner + fence[1]


def name(text: str, limit: int) -> str:
    """Make a word or two of code, in which no underscore or asterisk means anything."""
    return f"`{escaped(' '.join(text.replace('`', chr(39)).split()), limit - 2)}`"


def cut(text: str, limit: int, escapes: dict[str, str] | None = None) -> str:
    """Replace characters by their escapes, and stop before the limit: never in the middle of one."""
    found: list[str] = []
    length, fits = 0, 0  # `fits`: how many pieces leave room for the ellipsis
    for character in text:
        piece = (escapes or {}).get(character, character)
        length += len(piece) + (character > "\uffff")
        if length > limit:
            return "".join(found[:fits]) + ELLIPSIS
        found.append(piece)
        if length <= limit - len(ELLIPSIS):
            fits = len(found)
    return "".join(found)

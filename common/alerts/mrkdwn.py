"""Write text so that Slack shows it as it is: control sequences escaped, cut to a limit."""

from __future__ import annotations

import re

#: Control characters and terminal colours, on which JSON, Slack or a terminal may fail.
INVISIBLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
ELLIPSIS = "..."


def clean(text: str) -> str:
    """Remove what cannot be shown; halves of surrogate pairs become question marks."""
    return INVISIBLE.sub("", text.replace("\r\n", "\n")).encode("utf-8", "replace").decode("utf-8")


def escaped(text: str, limit: int) -> str:
    """Escape the three characters with which Slack's control sequences begin, and cut to a limit.

    :param limit: in UTF-16 units, the longest way to count a text's characters, with the ellipsis.
    """
    return cut(clean(text), limit, {"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def code(text: str, limit: int) -> str:
    """Return a block of code that no backtick in the text can end."""
    fence = "```\n", "\n```"
    inner = escaped(clean(text).replace("```", "'''"), limit - len("".join(fence)))
    return fence[0] + inner + fence[1]


def name(text: str, limit: int) -> str:
    """Return a short piece of code, in which underscores and asterisks have no meaning."""
    return f"`{escaped(' '.join(text.replace('`', chr(39)).split()), limit - 2)}`"


def cut(text: str, limit: int, escapes: dict[str, str] | None = None) -> str:
    """Replace characters by their escapes and stop before the limit, never within an escape."""
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

"""Statements that are accepted without effect, and statements that are refused by name.

An object that a laptop does not need (a role, a warehouse, a grant) is accepted, so that scripts for Snowflake run. One
that scripts rely on (a stream, a task, a procedure) is refused at once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from workbench.emulators.snowflake import results
from workbench.emulators.snowflake.errors import unsupported

if TYPE_CHECKING:
    from workbench.emulators.snowflake.results import Result

_NAME = r'(?:IF\s+(?:NOT\s+)?EXISTS\s+)?("[^"]+"|[\w$.]+)'
_WITHOUT_EFFECT = (
    "WAREHOUSE", "ROLE", "USER", "RESOURCE MONITOR", "STORAGE INTEGRATION", "INTEGRATION", "NETWORK POLICY",
    "MASKING POLICY", "ROW ACCESS POLICY", "TAG", "ACCOUNT", "NETWORK RULE", "SECRET",
)  # fmt: skip
_REFUSED = (
    "STREAM", "TASK", "PIPE", "PROCEDURE", "FUNCTION", "DYNAMIC TABLE", "EXTERNAL TABLE", "MATERIALIZED VIEW", "ALERT",
    "SHARE", "EVENT TABLE", "HYBRID TABLE", "ICEBERG TABLE", "STREAMLIT", "EXTERNAL FUNCTION", "AGGREGATE FUNCTION",
    "NOTEBOOK", "SERVICE", "COMPUTE POOL", "IMAGE REPOSITORY", "MODEL", "DATASET", "GIT REPOSITORY", "APPLICATION",
)  # fmt: skip
_KINDS = "|".join(sorted((*_WITHOUT_EFFECT, *_REFUSED), key=len, reverse=True)).replace(" ", r"\s+")
_MADE = re.compile(
    r"(CREATE|ALTER|DROP|UNDROP)\s+(?:OR\s+(?:REPLACE|ALTER)\s+)?"
    rf"(?:(?:TEMP(?:ORARY)?|TRANSIENT|SECURE|LOCAL|GLOBAL|VOLATILE)\s+)*({_KINDS})\b\s*{_NAME}?",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"(CALL|EXECUTE\s+IMMEDIATE|EXECUTE\s+TASK|EXPLAIN|GET|PUT|REMOVE|RM|UNDROP|UNLOAD|DECLARE|LET|SHOW\s+\w+(?:\s+\w+)?"
    r"|DESC(?:RIBE)?\s+\w+|ALTER\s+\w+|CREATE\s+\w+|DROP\s+\w+|ANALYZE|PRAGMA|ATTACH|DETACH|INSTALL|LOAD|VACUUM|EXPORT"
    r"|IMPORT|CHECKPOINT|CACHE|KILL|USE\s+CATALOG|LOCK\s+TABLE)\b",
    re.IGNORECASE,
)
_LEADING = re.compile(r"(\s|--[^\n]*(\n|$)|//[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)


def body(text: str) -> str:
    """Return a statement without the comments before it and the semicolon after it."""
    found = _LEADING.match(text)
    return text[found.end() if found else 0 :].rstrip().rstrip(";").rstrip()


def refuse_scripting(text: str) -> None:
    """Refuse a block of Snowflake Scripting, which the parser reads as several statements.

    :raises SnowflakeError: 000002.
    """
    if re.match(r"DECLARE\b", text, re.IGNORECASE):
        raise unsupported("DECLARE: a Snowflake Scripting block")
    if re.match(r"BEGIN\s+(?!TRANSACTION\b|WORK\b|NAME\b)\w", text, re.IGNORECASE):
        raise unsupported("BEGIN ... END: a Snowflake Scripting block")


def accepted(text: str) -> Result | None:
    """Return the result of a statement that has no effect here; None for another one.

    :raises SnowflakeError: 000002 for an object that is refused.
    """
    if re.match(r"(GRANT|REVOKE)\b", text, re.IGNORECASE):
        return results.status()
    found = _MADE.match(text)
    if not found:
        return None
    verb, kind = found[1].upper(), " ".join(found[2].upper().split())
    name = (found[3] or "").strip('"') if (found[3] or "").startswith('"') else (found[3] or "").upper()
    if kind in _REFUSED:
        raise unsupported(f"{verb} {kind}")
    if verb == "CREATE":
        word = "Integration" if kind.endswith("INTEGRATION") else kind.capitalize()
        return results.status(f"{word} {name} successfully created.")
    if verb == "DROP":
        return results.status(f"{name} successfully dropped.")
    return results.status()


def refuse(text: str, statement: exp.Expr) -> None:
    """Refuse a statement by its first words, or by the construct in it.

    :raises SnowflakeError: 000002.
    """
    if isinstance(statement, exp.MultitableInserts):
        raise unsupported("INSERT ALL | FIRST (multi-table insert)")
    if found := _WORDS.match(text):
        raise unsupported(" ".join(found[0].upper().split()))
    raise unsupported(" ".join(text.split()[:3]).upper())

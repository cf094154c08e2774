"""Each statement returns what Snowflake's documentation states, or is listed as a known deviation."""

from __future__ import annotations

import itertools
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from snowflake.connector.errors import Error

from tests.workbench.emulators.snowflake.statements import CASES, Case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.cursor import SnowflakeCursor

README = Path(__file__).parents[4] / "workbench/emulators/README.md"
DEVIATIONS = set(re.findall(r"^\| `([^`]+)` \|", README.read_text().partition("\n## Snowflake\n")[2], re.MULTILINE))

numbers = itertools.count()


@pytest.fixture(scope="module")
def session(running: Any, lake: Any, connecting: Callable[..., Any]) -> Iterator[SnowflakeConnection]:
    """One session for all statements."""
    with connecting(running) as connection:
        yield connection


@contextmanager
def case_schema(session: SnowflakeConnection, case: Case) -> Iterator[tuple[SnowflakeCursor, str]]:
    """Yield a cursor in an empty schema; a plain expression needs none."""
    cursor, schema = session.cursor(), f"STATEMENT_{next(numbers)}"
    needs_schema = bool(case.given) or not case.sql.startswith("SELECT") or " FROM " in case.sql
    if needs_schema:
        cursor.execute(f"CREATE OR REPLACE SCHEMA telecoms.{schema}")
    yield cursor, schema
    if needs_schema:
        cursor.execute("ROLLBACK")
        cursor.execute(f"DROP SCHEMA telecoms.{schema}")


def disagreement(case: Case, cursor: SnowflakeCursor, schema: str) -> str | None:
    """Return how the result differs from Snowflake's; None where it does not."""
    for statement in case.given:
        if statement.startswith("!"):
            with pytest.raises(Error):
                cursor.execute(statement[1:])
        else:
            cursor.execute(statement.replace("{schema}", schema))
    try:
        cursor.execute(case.sql.replace("{schema}", schema))
    except Error as error:
        if case.error is None:
            return f"failed: {error}"
        number, text = case.error
        same = error.errno == number and text in str(error)
        return None if same else f"expected {number} {text!r}, got {error.errno} {error}"
    if case.error is not None:
        return f"expected error {case.error}, got {cursor.fetchall()}"
    return _difference(case, cursor)


def _difference(case: Case, cursor: SnowflakeCursor) -> str | None:
    rows = cursor.fetchall()
    if case.rows is not None:
        expected, found = case.rows, rows
        if not case.ordered:
            expected, found = sorted(expected, key=repr), sorted(found, key=repr)
        if found != expected or [[type(c) for c in row] for row in found] != [
            [type(c) for c in row] for row in expected
        ]:
            return f"expected {expected}, got {found}"
    about = {
        "types": (case.types, tuple(column.type_code for column in cursor.description)),
        "names": (case.names, tuple(column.name for column in cursor.description)),
        "rowcount": (case.count, cursor.rowcount),
    }
    for what, (wanted, got) in about.items():
        if wanted is not None and wanted != got:
            return f"{what}: expected {wanted}, got {got}"
    return None


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_statement(case: Case, session: SnowflakeConnection) -> None:
    """A statement returns what the documentation states, or is in the list of deviations in the README."""
    with case_schema(session, case) as (cursor, schema):
        found = disagreement(case, cursor, schema)
    if case.name in DEVIATIONS:
        assert found is not None, "it works now: remove it from the known deviations in workbench/emulators/README.md"
    else:
        assert found is None, found


def test_deviations() -> None:
    """Each listed deviation is one of the statements."""
    assert {case.name for case in CASES} >= DEVIATIONS


def test_cases() -> None:
    """There are at least 150 statements, with distinct names."""
    assert len(CASES) == len({case.name for case in CASES}) >= 150

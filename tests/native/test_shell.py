"""`./dev shell` has the tools and the addresses of this instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.native.conftest import Stack

pytestmark = pytest.mark.native


def test_psql(stack: Stack) -> None:
    """`psql` is there, and connects to Airflow's database."""
    result = stack.dev("shell", "--", "psql", "-Atc", "SELECT current_database(), count(*) > 0 FROM alembic_version")
    assert result.stdout.strip() == "airflow|t", result.stderr

"""`./dev conn test` really talks to each service, through the hooks that the DAGs use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.native.conftest import Stack

pytestmark = pytest.mark.native


def test_emulators(stack: Stack) -> None:
    """Every emulator answers as the vendor would."""
    result = stack.dev("conn", "test", "--json")
    shown = {each["conn_id"]: each for each in json.loads(result.stdout)["connections"]}
    assert result.returncode == 0, shown
    assert set(shown) == {"aws_default", "google_cloud_default", "slack_api_default", "snowflake_default"}
    assert all(each["is_emulator"] and each["works"] for each in shown.values())
    assert shown["snowflake_default"]["answer"] == "user WORKBENCH, role DEV, database TELECOMS"


def test_wrong_password(stack: Stack) -> None:
    """A wrong password fails with the service's own answer, and is not shown."""
    variable = "AIRFLOW_CONN_SNOWFLAKE_DEFAULT"
    wrong = stack.settings.environment[variable].replace('"password":"offline"', '"password":"sesame-open"')
    env = stack.root / ".env"
    kept = env.read_bytes()
    try:
        env.write_bytes(kept + f"{variable}='{wrong}'\r\n".encode())
        result = stack.dev("conn", "test", "snowflake_default")
    finally:
        env.write_bytes(kept)
    assert result.returncode == 1
    assert "REAL" in result.stdout
    assert "Incorrect username or password" in result.stdout
    assert "sesame-open" not in result.stdout + result.stderr

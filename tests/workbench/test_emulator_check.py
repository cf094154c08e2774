"""Which connections point at an emulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.cli.settings import Settings
from workbench.emulator_check import is_emulator

URL = "http://127.0.0.1:8090"


def test_own() -> None:
    """Every connection of compose/emulators.env does."""
    settings = Settings(Path(__file__).parents[2], {}, {})
    connections = {name: value for name, value in settings.emulators.items() if name.startswith("AIRFLOW_CONN_")}
    assert len(connections) == 4
    for name, value in connections.items():
        assert is_emulator(value, settings.emulators["EMULATORS_URL"]), name


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        # pragma: allowlist nextline secret
        ({"conn_type": "slack", "password": "xoxb-offline", "extra": {"timeout": 60}}, True),
        # pragma: allowlist nextline secret
        ({"conn_type": "slack", "password": "xoxb-1", "extra": {"base_url": f"{URL}/api/"}}, False),
        ({"conn_type": "google_cloud_platform", "extra": json.dumps({"api_endpoint": f"{URL}/"})}, True),
        ({"conn_type": "google_cloud_platform", "extra": {"api_endpoint": f"{URL}1"}}, False),
        ({"conn_type": "aws", "password": "offline", "extra": {"region_name": "eu-west-1"}}, True),
        # pragma: allowlist nextline secret
        ({"conn_type": "aws", "login": "offline", "password": "key"}, False),
        ({"conn_type": "aws", "description": "no longer offline"}, False),
        ({"conn_type": "google_cloud_platform", "extra": {"key_path": "secrets/key.json"}}, False),
    ],
)
def test_edited(connection: dict[str, object], expected: bool) -> None:
    """An edited one does where it keeps the emulators' password, or without a password their address."""
    assert is_emulator(json.dumps(connection), URL) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("snowflake://workbench:offline@host", True), ("slack://:xoxb-1@", False), ("{", False), ("", False)],
)
def test_other_forms(value: str, expected: bool) -> None:
    """A URI is read as well; what is not a connection does not point anywhere."""
    assert is_emulator(value, URL) is expected

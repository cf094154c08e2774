"""`./dev` in a container beside Airflow's, where Compose has set everything and Docker is out of reach."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from workbench.cli.backends import choice
from workbench.cli.backends.devcontainer import Workspace
from workbench.cli.settings import WORKSPACE
from workbench.errors import UserError

CONNECTION = "AIRFLOW_CONN_SLACK_API_DEFAULT"
ENVIRONMENT = {
    "AIRFLOW__API__BASE_URL": "https://fluffy-8080.app.github.dev/",
    "AIRFLOW__CORE__DAGS_FOLDER": "/workspaces/airflow-workbench/dags",
    # The host's: in here the UI has its own port.
    "AIRFLOW_PORT": "9090",
    "KEYS_DIR": "/opt/airflow/keys",
    "EMULATORS_HOST": "emulators",
    "EMULATORS_PORT": "8090",
    "EMULATORS_S3_PORT": "18091",
    "EMULATORS_SNOWFLAKE_PORT": "18092",
    "WORKBENCH_IMAGE": WORKSPACE,
    # pragma: allowlist nextline secret
    CONNECTION: '{"conn_type":"slack","password":"xoxb-offline","extra":{"base_url":"http://emulators:8090/api/"}}',
}


def chosen(monkeypatch: pytest.MonkeyPatch, mode: str | None = None) -> choice.Place:
    """Return the place that a command in the workspace is about."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return choice.chosen(argparse.Namespace(mode=mode))


def test_in_the_dev_container_the_environment_is_the_one_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    where = chosen(monkeypatch)
    assert isinstance(where, Workspace)
    settings = where.settings
    assert settings.environment.items() >= {**ENVIRONMENT, "PYTHONPATH": str(settings.root)}.items()
    assert settings.password_file == Path("/opt/airflow/keys/admin_password")
    assert settings.ui_url == "http://127.0.0.1:8080"


def test_a_connection_to_the_emulators_container_is_known_for_a_emulators(monkeypatch: pytest.MonkeyPatch) -> None:
    emulators = {connection.variable: connection.is_emulator for connection in chosen(monkeypatch).settings.connections}
    assert emulators[CONNECTION]


def test_another_mode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no docker mode in here"):
        chosen(monkeypatch, "docker")


def test_what_only_docker_can_do_says_where_to_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    where = chosen(monkeypatch)
    for attempt in (where.down, where.state, where.reset, lambda: where.lines("scheduler", 1)):
        with pytest.raises(UserError) as failure:
            attempt()
        assert "on the host" in failure.value.fix

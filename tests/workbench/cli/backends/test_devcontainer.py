"""`./dev` in a container beside Airflow's, where Compose has set everything and Docker is not available."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workbench.cli.backends import choice
from workbench.cli.backends.devcontainer import DevContainer
from workbench.errors import UserError

if TYPE_CHECKING:
    from workbench.cli.backends.protocol import Backend

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
    choice.IMAGE: choice.DEVCONTAINER_IMAGE,
    # pragma: allowlist nextline secret
    CONNECTION: '{"conn_type":"slack","password":"xoxb-offline","extra":{"base_url":"http://emulators:8090/api/"}}',
}


def chosen(monkeypatch: pytest.MonkeyPatch, mode: str | None = None) -> Backend:
    """Return the backend that a command in the dev container works on."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return choice.choose(argparse.Namespace(mode=mode))


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the dev container, the environment is the one around it."""
    backend = chosen(monkeypatch)
    assert isinstance(backend, DevContainer)
    settings = backend.settings
    assert settings.environment.items() >= {**ENVIRONMENT, "PYTHONPATH": str(settings.root)}.items()
    assert settings.password_file == Path("/opt/airflow/keys/admin_password")
    assert settings.ui_url == "http://127.0.0.1:8080"


def test_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to the emulators' container counts as an emulator's."""
    emulators = {connection.variable: connection.is_emulator for connection in chosen(monkeypatch).settings.connections}
    assert emulators[CONNECTION]


def test_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another mode is refused."""
    with pytest.raises(UserError, match="docker mode is not available inside the dev container"):
        chosen(monkeypatch, "docker")


def test_host_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only Docker can do says where to do it."""
    backend = chosen(monkeypatch)
    for attempt in (backend.down, backend.state, backend.reset, lambda: backend.lines("scheduler", 1)):
        with pytest.raises(UserError) as failure:
            attempt()
        assert "on the host" in failure.value.fix

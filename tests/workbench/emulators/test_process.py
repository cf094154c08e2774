"""The process: its ports, its data directory, its errors."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from workbench.emulators import instance, registry, serve

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from workbench.emulators import Connections

    Run = Callable[..., subprocess.CompletedProcess[str]]


def test_health(page: httpx.Client) -> None:
    """/healthz lists the listeners."""
    answer = page.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "services": ["S3", "Snowflake", "page"]})


def test_loopback(emulators: Connections) -> None:
    """All listeners are on loopback."""
    listening = [c.laddr for c in psutil.Process(emulators.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert len(listening) == 3
    assert {address.ip for address in listening} == {"127.0.0.1"}


@pytest.mark.parametrize("option", ["--port", "--s3-port", "--snowflake-port"])
def test_taken_port(tmp_path: Path, run_emulators: Run, option: str) -> None:
    """A taken port is one message without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"--port": 0, "--s3-port": 0, "--snowflake-port": 0, option: port}
        words = [word for pair in ports.items() for word in pair]
        result = run_emulators("serve", "--data", tmp_path, "--keys", tmp_path / "keys", *words)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: port {port} is taken\n")
    assert "EMULATORS_PORT" in result.stderr
    assert "Traceback" not in result.stderr


def test_data_in_use(emulators: Connections, run_emulators: Run) -> None:
    """A data directory in use is one message, and the other process keeps serving."""
    result = run_emulators("serve", "--data", emulators.data, "--keys", emulators.keys, "--port", "0")
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: the data directory {emulators.data} is in use\n")
    assert httpx.get(f"{emulators.page_url}/healthz", trust_env=False).json()["ok"]


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that exits on a full disk, where nothing is logged, is reported with that cause."""
    monkeypatch.setattr(instance, "_python", lambda: "false")  # what is printed on a full disk reaches no log
    monkeypatch.setattr(instance, "NEARLY_FULL", 1 << 62)  # more than any disk has left
    with (
        pytest.raises(RuntimeError, match=f"status 1:\nnothing was logged: the disk that holds {tmp_path} is full"),
        serve(tmp_path),
    ):
        pass


def test_data_is_a_file(tmp_path: Path, run_emulators: Run) -> None:
    """A data directory that is a file is one message without a traceback."""
    (tmp_path / "file").write_text("")
    result = run_emulators("serve", "--data", tmp_path / "file", "--keys", tmp_path / "keys", "--port", "0")
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: the data directory {tmp_path / 'file'} cannot be used\n")
    assert "Traceback" not in result.stderr


def test_damaged_index(tmp_path: Path, run_emulators: Run) -> None:
    """A damaged index of S3 is one message with the fix."""
    (tmp_path / "s3").mkdir()
    (tmp_path / "s3" / "index.sqlite").write_bytes(b"no database" * 100)
    ports = ("--port", "0", "--s3-port", "0", "--snowflake-port", "0")
    result = run_emulators("serve", "--data", tmp_path, "--keys", tmp_path / "keys", *ports)
    assert result.returncode == 1
    assert "s3.kept' keeps the old data" in result.stderr
    assert "Traceback" not in result.stderr


def test_environment(emulators: Connections) -> None:
    """The environment holds the connections of compose/emulators.env, with the addresses of the instance."""
    env = emulators.env()
    connected = {"aws_default", "snowflake_default"} | {each.connection for each in registry.emulators().values()}
    assert connected >= {"google_cloud_default", "slack_api_default"}
    assert {name for name in env if name.startswith("AIRFLOW_CONN_")} == {
        f"AIRFLOW_CONN_{name.upper()}" for name in connected
    }
    connections = {name: json.loads(value) for name, value in env.items() if name.startswith("AIRFLOW_CONN_")}
    assert connections["AIRFLOW_CONN_AWS_DEFAULT"]["extra"]["endpoint_url"] == emulators.s3_url
    assert connections["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"]["extra"]["port"] == emulators.snowflake_port
    assert connections["AIRFLOW_CONN_SLACK_API_DEFAULT"]["extra"]["base_url"] == f"{emulators.page_url}/api/"
    key = connections["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"]["extra"]["key_path"]
    assert key == str(emulators.keys / "google_service_account.json")
    assert env["REQUESTS_CA_BUNDLE"] == str(emulators.ca_bundle)

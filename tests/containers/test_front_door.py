"""`./dev` in Docker mode: what it starts, shows, stops and forgets, with the same output as natively."""

from __future__ import annotations

import json
import os
import secrets
import socket
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.containers.stack import SERVICES, Stack, copy_checkout
from tests.ports import free_ports
from workbench.cli.backends.docker import start as docker_start
from workbench.cli.client import AirflowApi

if TYPE_CHECKING:
    from pathlib import Path

INGESTS = 8


@pytest.fixture
def elsewhere(checkout: Stack, tmp_path: Path) -> Stack:
    """Another checkout with a project of its own, of which nothing runs."""
    environment = {
        **checkout.environment,
        "COMPOSE_PROJECT_NAME": f"workbench-test-{secrets.token_hex(4)}",
        **dict(zip(("AIRFLOW_PORT", "EMULATORS_PORT"), map(str, free_ports(2)), strict=True)),
    }
    return replace(checkout, checkout=copy_checkout(tmp_path / "checkout"), environment=environment)


def as_json(front: Stack, *words: str) -> dict[str, Any]:
    """Return what a command tells scripts."""
    result = front.dev(*words, "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(json.loads(result.stdout))


def test_status(front: Stack) -> None:
    """`status --json` has what scripts rely on."""
    status = as_json(front, "status")
    assert status["ok"]
    assert status["mode"] == "docker"
    assert status["ui"]["url"] == front.ui_url
    assert status["emulators"]["url"] == front.emulators_url
    services = {service["name"]: service for service in status["services"]}
    assert {name for name, service in services.items() if service["health"] == "healthy"} == set(SERVICES)
    assert services["airflow-init"]["state"] == "done"
    for name in SERVICES:
        assert 0 < services[name]["memory_bytes"] < services[name]["limit_bytes"], name
        assert services[name]["restarts"] >= 0


def test_password(front: Stack) -> None:
    """The password is in a file for this user alone."""
    ui = as_json(front, "status")["ui"]
    assert stat.S_IMODE(os.stat(ui["password_file"]).st_mode) == 0o600  # noqa: PTH116 a string from JSON
    with open(ui["password_file"]) as file:  # noqa: PTH123 as above
        password = file.read()
    assert password == front.key("admin_password")
    api = AirflowApi(ui["url"], ui["user"], password)
    assert api.get("/dags")["total_entries"]
    api._http.close()


def test_demo(front: Stack) -> None:
    """The demo makes the same checks as natively, and all agree."""
    demo = as_json(front, "demo")
    assert demo["ok"]
    assert {run["state"] for run in demo["runs"]} == {"success"}
    assert sum(run["dag_id"].startswith("ingest_") for run in demo["runs"]) == INGESTS
    assert demo["marts"] == {
        "dim_customers": 1000,
        "dim_agents": 60,
        "fct_complaints": 2079,
        "obt_complaints_overview": 2079,
    }
    assert all(check["ok"] for check in demo["checks"])


def test_up_again(front: Stack) -> None:
    """`up` again changes nothing."""
    before = {name: front.container(name)["State"]["StartedAt"] for name in SERVICES}
    assert "Already up" in front.dev("up").stdout
    assert {name: front.container(name)["State"]["StartedAt"] for name in SERVICES} == before


def test_attach(front: Stack) -> None:
    """Whoever wants to attach a debugger reads where that works."""
    printed = front.dev("up", WORKBENCH_DEBUGPY="scheduler:5678").stderr
    assert "it works in the dev container, or after ./dev up --mode native" in printed


def test_connections(front: Stack) -> None:
    """Connections are tested from where tasks run."""
    connections = as_json(front, "conn", "--test")["connections"]
    assert {each["conn_id"]: each["works"] for each in connections} == {
        "aws_default": True,
        "google_cloud_default": True,
        "slack_api_default": True,
        "snowflake_default": True,
    }


def test_run(front: Stack) -> None:
    """One DAG can be run by itself."""
    result = front.dev("run", "ingest_customers")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


def test_chain(front: Stack, tmp_path: Path) -> None:
    """A chain runs beside the tasks, and its flowchart is written on this side."""
    chain = as_json(front, "chain", "ingest_customers", "--skip", "transform_marts", "--graph", str(tmp_path / "g.md"))
    assert [(run["dag_id"], run["state"]) for run in chain["runs"]] == [
        ("ingest_customers", "success"),
        ("load_warehouse", "success"),
    ]
    assert "ingest_customers" in (tmp_path / "g.md").read_text()


def test_logs(front: Stack) -> None:
    """`logs` shows the last lines, and follows."""
    logs = as_json(front, "logs", "-n", "3", "scheduler", "postgres")["logs"]
    assert {name: len(lines) for name, lines in logs.items()} == {"scheduler": 3, "postgres": 3}
    with front.start_dev("logs", "-f", "-n", "0", "api-server") as following:
        assert following.stdout is not None
        assert "/api/v2/monitor/health" in following.stdout.readline()  # its own health check asks every few seconds
        following.terminate()


def test_shell(front: Stack) -> None:
    """The shell is beside the scheduler, and `psql` on its database."""
    assert front.dev("shell", "--", "airflow", "version").stdout.strip() == "3.0.6"
    assert front.dev("shell", "--", "psql", "-Atc", "SELECT count(*) > 0 FROM dag").stdout.strip() == "t"
    assert front.dev("shell", "--", "false").returncode == 1


def test_broken_dag_file(front: Stack) -> None:
    """A broken DAG file is named by its path in the checkout."""
    broken = front.checkout / "dags/broken.py"
    broken.write_text("from airflow.sdk import dag\n\nimport no_such_module\n")

    def found() -> dict[str, int]:
        return {error["file"]: error["line"] for error in as_json(front, "status")["import_errors"]}

    try:
        front.wait_for(lambda: found() == {"dags/broken.py": 3}, "the import error")
    finally:
        broken.unlink()


def test_no_second(front: Stack) -> None:
    """No second, native environment is started beside it."""
    result = front.dev("up", "--mode", "native")
    assert result.returncode == 1
    assert "the environment is already running, in docker mode" in result.stderr


def test_other_checkout(front: Stack, elsewhere: Stack) -> None:
    """Another checkout does not take its containers."""
    project = front.environment["COMPOSE_PROJECT_NAME"]
    result = elsewhere.dev("up", "--mode", "docker", COMPOSE_PROJECT_NAME=project)
    assert result.returncode == 1
    assert str(front.checkout) in result.stderr
    assert "set COMPOSE_PROJECT_NAME" in result.stderr


def test_port_taken(elsewhere: Stack) -> None:
    """A port in use is reported before anything starts."""
    port = elsewhere.environment["AIRFLOW_PORT"]
    with socket.create_server(("127.0.0.1", int(port))):
        result = elsewhere.dev("up", "--mode", "docker")
    assert result.returncode == 1
    assert f"port {port} is taken" in result.stderr
    assert "set AIRFLOW_PORT in .env" in result.stderr
    assert elsewhere.compose("ps", "--all", "--quiet") == ""


def test_no_daemon(elsewhere: Stack) -> None:
    """Without a daemon the message says so, and names the way without Docker."""
    for command in ("up", "doctor"):
        result = elsewhere.dev(command, "--mode", "docker", DOCKER_HOST="unix:///nowhere/docker.sock")
        told = result.stdout + result.stderr
        assert result.returncode == 1, told
        assert "Docker does not answer" in told
        assert "./dev up --mode native" in told
        assert "Traceback" not in told


def test_reset(elsewhere: Stack) -> None:
    """`reset` asks, then removes volumes and containers and nothing else."""
    elsewhere.compose("up", "--detach", "postgres")
    others = set(elsewhere.docker("volume", "ls", "--quiet").split())
    mine = {name for name in others if name.startswith(elsewhere.environment["COMPOSE_PROJECT_NAME"])}
    assert mine

    asked = elsewhere.dev("reset")
    assert asked.returncode == 1
    assert "reset --yes" in asked.stderr
    assert mine <= set(elsewhere.docker("volume", "ls", "--quiet").split())

    elsewhere.compose("down")  # what is left has the project's name alone, which another checkout may have too
    refused = elsewhere.dev("reset", "--yes")
    assert refused.returncode == 1
    assert "this checkout has not started" in refused.stderr
    assert mine <= set(elsewhere.docker("volume", "ls", "--quiet").split())
    elsewhere.compose("up", "--detach", "postgres")

    assert set(as_json(elsewhere, "reset", "--yes")["removed"]) == mine
    left = set(elsewhere.docker("volume", "ls", "--quiet").split())
    assert not mine & left
    assert elsewhere.compose("ps", "--all", "--quiet") == ""
    assert elsewhere.docker("image", "inspect", "airflow-workbench/airflow:3.0.6", "postgres:13-alpine")


def test_a_database_without_its_version_file_is_left_alone_and_can_be_put_back(elsewhere: Stack) -> None:
    """The volume is not empty, so no new database is made in it; what `./dev up` says brings the old one back."""
    query = ("exec", "-T", "postgres", "psql", "--username=airflow", "--tuples-only", "--no-align", "--command")
    try:
        elsewhere.compose("up", "--detach", "--wait", "postgres")
        elsewhere.compose(*query, "CREATE TABLE kept AS SELECT 'kept' AS kept")
        elsewhere.compose("exec", "-T", "postgres", "rm", "/var/lib/postgresql/data/PG_VERSION")
        elsewhere.compose("kill", "postgres")
        elsewhere.compose("start", "postgres")
        elsewhere.wait_for(lambda: elsewhere.container("postgres")["RestartCount"], "its end")
        assert docker_start.NO_CLUSTER in elsewhere.compose("logs", "postgres")
        elsewhere.compose("stop", "postgres")

        elsewhere.docker(*docker_start.PUT_BACK.split()[1:])

        elsewhere.compose("up", "--detach", "--wait", "postgres")
        assert elsewhere.compose(*query, "SELECT kept FROM kept").strip() == "kept"
    finally:
        elsewhere.compose("down", "--volumes", "--timeout=5")

"""The environment in Docker as a user has it: up with one command, runs DAGs, and heals."""

from __future__ import annotations

import httpx
import pytest

from tests.containers.stack import SERVICES, Stack

STEPS = "probe_steps"


def test_up(stack: Stack) -> None:
    """One command brings all services up healthy."""
    assert {service: stack.state(service) for service in SERVICES} == dict.fromkeys(SERVICES, "healthy")
    assert stack.container("airflow-init")["State"]["ExitCode"] == 0
    # Airflow itself calls a component unwell that is two heartbeats late, as any is on a busy machine now and then.
    stack.wait_for(
        lambda: {part["status"] for part in stack.api.get("/monitor/health").values()} == {"healthy"}, "health"
    )


def test_login(stack: Stack) -> None:
    """Nobody gets in without the generated password."""
    assert httpx.get(f"{stack.ui_url}/api/v2/dags", trust_env=False).status_code == httpx.codes.UNAUTHORIZED
    # pragma: allowlist nextline secret
    wrong = {"username": "admin", "password": "admin"}
    assert httpx.post(f"{stack.ui_url}/auth/token", json=wrong, trust_env=False).status_code == httpx.codes.UNAUTHORIZED


def test_run(stack: Stack) -> None:
    """A run started over the API succeeds, and its log can be read."""
    run = stack.trigger(STEPS)
    assert stack.finish(STEPS, run) == "success"
    log = stack.api.get(f"/dags/{STEPS}/dagRuns/{run}/taskInstances/step/logs/1")
    assert "step 1 runs as 50000:0" in str(log["content"])
    assert "out of memory: 500" in str(log["content"])  # tasks before the scheduler, which has 0


def test_dags(stack: Stack) -> None:
    """The project's own DAGs are there without an import error."""
    assert stack.api.get("/importErrors")["import_errors"] == []
    found = {dag["dag_id"] for dag in stack.api.get("/dags")["dags"]}
    assert {"ingest_agents", "load_warehouse", "transform_marts"} <= found


def test_not_root(stack: Stack) -> None:
    """Every process is an ordinary user's."""
    for service in SERVICES:
        listing = stack.docker("top", stack.container(service)["Id"], "-eo", "pid,uid,args").splitlines()[1:]
        assert listing, service
        assert [line for line in listing if line.split()[1] == "0"] == [], service


def test_no_key_shown(stack: Stack) -> None:
    """No key can be read from a container's description or log."""
    keys = [
        stack.key(name) for name in ("fernet_key", "jwt_secret", "session_key", "admin_password", "postgres_password")
    ]
    shown = stack.compose("logs", "--no-color")
    shown += stack.docker("inspect", *stack.compose("ps", "--all", "--quiet").split())
    assert all(len(key) >= 16 for key in keys)
    assert [key for key in keys if key in shown] == []


def test_emulators_page(stack: Stack) -> None:
    """The emulators' page answers on its published port."""
    assert httpx.get(f"{stack.emulators_url}/", trust_env=False).status_code == httpx.codes.OK
    assert isinstance(httpx.get(f"{stack.emulators_url}/slack/messages", trust_env=False).json(), list)


@pytest.mark.parametrize("service", SERVICES)
def test_killed_service(stack: Stack, service: str) -> None:
    """A killed service comes back and no run is lost.

    Each is killed as the kernel would kill it, in the middle of a task.
    """
    run = _hold(stack)
    before = stack.container(service)["RestartCount"]
    stack.kill(service)
    stack.wait_for(lambda: stack.container(service)["RestartCount"] > before, f"restart of {service}")
    stack.wait_until_healthy()
    assert _let_go(stack, run) == "success", stack.tasks(STEPS, run)
    assert stack.service(service).restarts > before


def test_postgres_restarts(stack: Stack) -> None:
    """PostgreSQL may be restarted in the middle of a run."""
    run = _hold(stack)
    stack.compose("restart", "postgres")
    stack.wait_until_healthy()
    assert _let_go(stack, run) == "success", stack.tasks(STEPS, run)


def test_down_and_up(stack: Stack) -> None:
    """`down` and `up` keep runs and keys; a key that was lost is made anew, and the database follows."""
    password, runs = stack.key("admin_password"), _runs(stack)
    assert runs
    stack.compose("exec", "-T", "api-server", "sh", "-c", "rm /opt/airflow/keys/postgres_password")
    stack.compose("down")
    stack.compose("up", "--detach", "--wait")
    assert stack.key("postgres_password")
    assert stack.key("admin_password") == password
    assert runs <= _runs(stack)


def _hold(stack: Stack) -> str:
    """Start a run and wait until it is in the middle of its second step, where it stays."""
    run = stack.trigger(STEPS, hold=True)
    stack.wait_for(
        lambda: sorted(str(task["state"]) for task in stack.tasks(STEPS, run))[-2:] == ["running", "success"],
        "a step that holds",
    )
    return run


def _let_go(stack: Stack, run: str) -> str:
    """Let it go on; return the state in which it ends."""
    stack.compose("exec", "-T", "scheduler", "touch", f"/opt/airflow/logs/{run}.go")
    return stack.finish(STEPS, run)


def _runs(stack: Stack) -> set[str]:
    return {run["dag_run_id"] for run in stack.api.get(f"/dags/{STEPS}/dagRuns")["dag_runs"]}

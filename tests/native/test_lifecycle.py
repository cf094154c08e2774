"""`./dev up`, `status` and `down`, whatever happens in between.

One environment goes through all of it, in the order of this file, as an ordinary user, from a folder whose name
is long and has blanks in it.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from workbench.cli.backends.native.observe import observe
from workbench.cli.backends.native.supervise import Supervisor, alive

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.native.conftest import Stack

pytestmark = pytest.mark.native

#: file -> its text and the line that is wrong; Airflow looks only at files that speak of airflow and dag.
BROKEN = {
    "syntax.py": ("from airflow.sdk import dag\ndef broken(:\n", 2),
    "missing.py": ("from airflow.sdk import dag\n\nimport no_such_module\n", 3),
}
DEADLINE = 120


@pytest.fixture(scope="module")
def laptop(make_stack: Callable[..., Stack]) -> Stack:
    """An environment of a person's own, with two broken DAG files."""
    stack = make_stack("a checkout with blanks, in a folder whose path is longer than a socket's", ordinary_user=True)
    for name, (text, _) in BROKEN.items():
        (stack.root / "dags" / name).write_text(text)
    return stack


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {what}"
        time.sleep(0.1)


def kill(processes: list[psutil.Process]) -> None:
    """End processes as a power cut does."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def test_port_taken(laptop: Stack) -> None:
    """A port that is taken is named with its holder and its variable."""
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", laptop.ports["EMULATORS_S3_PORT"])):
        result = laptop.dev("up")
    assert result.returncode == 1
    assert str(laptop.ports["EMULATORS_S3_PORT"]) in result.stderr
    assert "EMULATORS_S3_PORT in .env" in result.stderr
    assert laptop.prefix or str(os.getpid()) in result.stderr
    assert "Traceback" not in result.stderr


def test_killed_in_migration(laptop: Stack) -> None:
    """A first `up` that was killed while it migrated is repaired by the next."""
    process = laptop.start("up")
    log = laptop.settings.logs / "airflow-init.log"
    eventually(lambda: process.poll() is not None or (log.is_file() and log.stat().st_size), "the migration begins")
    assert process.poll() is None, process.communicate()
    kill([psutil.Process(process.pid), *laptop.processes()])
    process.communicate()

    laptop.up()

    status = json.loads(laptop.dev("status", "--json").stdout)
    assert status["ok"]
    assert {service["name"]: service["health"] for service in status["services"]} == {
        "airflow-init": "none",
        **dict.fromkeys(("postgres", "emulators", "api-server", "scheduler", "dag-processor", "triggerer"), "healthy"),
    }
    assert all(service["memory_bytes"] > 0 for service in status["services"] if service["name"] != "airflow-init")
    assert all(service["limit_bytes"] > service["memory_bytes"] for service in status["services"])


def test_broken_dag_files(laptop: Stack) -> None:
    """Broken DAG files do not keep the environment from coming up, and are named with their line."""
    expected = {f"dags/{name}": line for name, (_, line) in BROKEN.items()}

    def found() -> dict[str, int]:
        errors = json.loads(laptop.dev("status", "--json").stdout)["import_errors"]
        return {error["file"]: error["line"] for error in errors if error["file"] in expected}

    eventually(lambda: found() == expected, "the dag-processor has seen both files")
    assert "No module named 'no_such_module'" in laptop.dev("status").stdout


def test_login(laptop: Stack) -> None:
    """Nobody gets in without the password, and only this user can read it."""
    settings = laptop.settings
    assert httpx.get(f"{settings.ui_url}/api/v2/dags", trust_env=False).status_code == httpx.codes.UNAUTHORIZED
    assert laptop.api.get("/dags")["total_entries"] >= 0
    secrets = [file for file in settings.keys.iterdir() if file.suffix != ".pem"]
    assert stat.S_IMODE(settings.keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets} == {0o600}


def test_loopback(laptop: Stack) -> None:
    """Nothing listens beyond loopback."""
    mine = {process.pid for process in laptop.processes()}
    listening = [entry for entry in psutil.net_connections() if entry.status == "LISTEN" and entry.pid in mine]
    assert {entry.laddr.port for entry in listening} == set(laptop.ports.values())
    assert {entry.laddr.ip for entry in listening} == {"127.0.0.1"}


def test_no_secret_shown(laptop: Stack) -> None:
    """No secret is on a command line or in the environment of a process."""
    settings = laptop.settings
    secrets = [(settings.keys / name).read_text() for name in ("fernet_key", "jwt_secret", "admin_password")]
    for process in laptop.processes():
        with suppress(psutil.Error, OSError):  # it may have ended meanwhile
            text = " ".join(process.cmdline()) + str(process.environ())
            assert not [secret for secret in secrets if secret in text], process


def test_crash(laptop: Stack) -> None:
    """A service that crashes is started again and leaves no worker behind."""
    before = psutil.Process(laptop.pid("triggerer"))
    children = before.children(recursive=True)
    assert children
    kill([before])
    eventually(lambda: laptop.service("triggerer").restarts == 1, "supervisor has started it again")
    eventually(lambda: laptop.service("triggerer").health == "healthy", "it is healthy again")
    assert not [child for child in children if alive(child)]
    assert laptop.service("triggerer").kills == 1


def test_crash_loop(laptop: Stack) -> None:
    """A service that ends again and again is not given up; status says so, and the next `up` starts it."""
    environment = laptop.root / ".venv-emulators"
    target = environment.readlink()
    environment.unlink()
    kill([psutil.Process(laptop.pid("emulators"))])
    eventually(lambda: laptop.service("emulators").state == "crash-looping", "it is said to end again and again")
    status = laptop.dev("status")
    assert "emulators was started" in status.stdout
    assert "./dev logs emulators shows why, then ./dev up" in status.stdout
    assert status.returncode == 1
    environment.symlink_to(target)

    laptop.up()

    assert laptop.service("emulators").ready


def test_up_twice(laptop: Stack) -> None:
    """`up` again changes nothing, and two at once agree."""
    before = {service.name: service.pid for service in observe(Supervisor(laptop.settings))}
    both = [laptop.start("up"), laptop.start("up")]
    for process in both:
        output, errors = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, output + errors
    assert {service.name: service.pid for service in observe(Supervisor(laptop.settings))} == before


def test_power_cut(laptop: Stack) -> None:
    """After a power cut the next `up` finds everything again."""
    laptop.api.post("/variables", {"key": "kept", "value": "encrypted"})
    kill(laptop.processes())
    assert not json.loads(laptop.dev("status", "--json").stdout)["ok"]

    laptop.up()

    assert laptop.api.get("/variables/kept")["value"] == "encrypted"


def test_orphans(laptop: Stack) -> None:
    """Orphans of a supervisor that was killed are ended by the next `up`."""
    supervisor = Supervisor(laptop.settings)
    leader = psutil.Process(json.loads(supervisor.record.read_text())["pid"])
    orphans = supervisor.members()
    kill([leader])
    assert "of an earlier start still run" in laptop.dev("status").stdout

    laptop.up()

    assert not [orphan for orphan in orphans if alive(orphan)]


def test_changed_setting(laptop: Stack) -> None:
    """A changed setting takes effect with the next `up`."""
    with (laptop.root / ".env").open("a") as file:
        file.write("AIRFLOW__WEBSERVER__INSTANCE_NAME='A laptop'\r\n")

    laptop.up()

    laptop.api.get("/dags")  # logs in
    assert laptop.api._http.get("/ui/config").json()["instance_name"] == "A laptop"


def test_down(laptop: Stack) -> None:
    """`down` leaves no process and says so."""
    before = laptop.processes()
    result = laptop.dev("down")
    assert "no process is left" in result.stdout
    assert not [process for process in before if alive(process)]
    assert not laptop.processes()
    assert "Nothing was running" in laptop.dev("down").stdout


def test_ctrl_c(laptop: Stack) -> None:
    """Ctrl-C during a start leaves no process."""
    process = laptop.start("up")
    eventually(lambda: process.poll() is not None or Supervisor(laptop.settings).running(), "the supervisor runs")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert not laptop.processes()


def test_cannot_start(laptop: Stack) -> None:
    """A service that cannot start is reported with the end of its log."""
    with (laptop.root / ".env").open("a") as file:
        file.write("AIRFLOW__CORE__EXECUTOR=NoSuchExecutor\r\n")
    result = laptop.dev("up")
    assert result.returncode == 1
    assert "scheduler did not start" in result.stderr
    assert "NoSuchExecutor doesn't look like a module path" in result.stderr


def test_reset(laptop: Stack) -> None:
    """`reset` asks, then forgets everything but the set-up."""
    (laptop.settings.run / "uv").mkdir()
    assert "reset --yes" in laptop.dev("reset").stderr
    assert laptop.settings.keys.is_dir()

    assert laptop.dev("reset", "--yes").returncode == 0

    assert sorted(entry.name for entry in laptop.settings.run.iterdir()) == ["lock", "uv"]
    assert not laptop.processes()

"""What supervisor is configured to do, and which processes belong to the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from workbench.cli import lock_file, log_files, progress, services
from workbench.cli.backends.native import observe, postgres, supervise
from workbench.cli.backends.native.supervise import Supervisor
from workbench.cli.settings import Settings
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def test_programs(load: Callable[..., Settings]) -> None:
    """Every service is run by supervisor, which rotates its log."""
    parser = RawConfigParser()
    parser.read_string(Supervisor(load()).configuration())
    for name in services.SERVICES:
        program = parser[f"program:{name}"]
        assert program["command"].endswith(f"-m workbench.cli.backends.native.component {name}")
        assert int(program["stdout_logfile_maxbytes"]) > 0
        assert program["autorestart"] == ("false" if name == services.INIT else "true")
        # Each retry comes a second later than the one before: 40 000 take the life of a laptop.
        assert name == services.INIT or int(program["startretries"]) > 40_000


def test_odd_path(checkout: Path) -> None:
    """A path may hold blanks and percent signs."""
    odd = checkout / "100% odd; path"
    (checkout / "compose").rename(odd.parent / "kept")
    odd.mkdir()
    (odd.parent / "kept").rename(odd / "compose")
    parser = RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(Supervisor(Settings.load(odd, {})).configuration())
    assert "100%% odd" in parser["program:postgres"]["directory"]


def test_digest_settings(load: Callable[..., Settings]) -> None:
    """Another setting changes the configuration, another terminal does not."""
    plain = Supervisor(load()).configuration()
    assert Supervisor(load(COLUMNS="80", SSH_TTY="/dev/pts/1")).configuration() == plain
    assert Supervisor(load("AIRFLOW__CORE__PARALLELISM=3\n")).configuration() != plain
    assert Supervisor(load(AIRFLOW__CORE__PARALLELISM="3")).configuration() != plain


def test_digest_lock(load: Callable[..., Settings], checkout: Path) -> None:
    """A new lock changes the configuration."""
    plain = Supervisor(load()).configuration()
    (checkout / "requirements").mkdir()
    (checkout / "requirements/airflow.txt").write_text("apache-airflow==3.0.7\n")
    assert Supervisor(load()).configuration() != plain


def test_no_secret(load: Callable[..., Settings]) -> None:
    """The configuration holds no secret."""
    settings = load("""AIRFLOW_CONN_AWS_DEFAULT='{"conn_type": "aws", "password": "sesame-open"}'\n""")
    assert "sesame-open" not in Supervisor(settings).configuration()


@pytest.fixture
def orphan() -> Iterator[psutil.Process]:
    """A process whose session leader has ended."""
    leader = "import subprocess, sys; p = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL); print(p.pid)"
    result = subprocess.run(
        [sys.executable, "-c", leader], stdout=subprocess.PIPE, text=True, check=True, start_new_session=True
    )
    process = psutil.Process(int(result.stdout))
    yield process
    if process.is_running():
        process.kill()


def test_orphan(load: Callable[..., Settings], orphan: psutil.Process) -> None:
    """An orphan is found by its session, and ended."""
    supervisor = Supervisor(load())
    supervisor.settings.run.mkdir()
    session = os.getsid(orphan.pid)
    supervisor.record.write_text(json.dumps({"pid": session, "started": orphan.create_time() - 1}))
    assert orphan in supervisor.members()
    supervisor.end_leftovers()
    assert not supervise.alive(orphan)
    assert not supervisor.record.exists()


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    """A process that leads a session of its own."""
    with psutil.Popen(["sleep", "60"], start_new_session=True) as process:
        yield process
        process.kill()


def test_stranger(load: Callable[..., Settings], stranger: psutil.Process) -> None:
    """After a reboot the recorded number may be anybody's."""
    supervisor = Supervisor(load())
    supervisor.settings.run.mkdir()
    started = stranger.create_time()
    supervisor.record.write_text(json.dumps({"pid": stranger.pid, "started": started}))
    assert supervisor.members() == [stranger]
    supervisor.record.write_text(json.dumps({"pid": stranger.pid, "started": started - 99}))
    assert supervisor.members() == []
    supervisor.record.write_text("half a rec")
    assert supervisor.members() == []


def test_socket_folder(load: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for sockets that another user made first is refused."""
    elsewhere = tmp_path / "theirs"
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere)
    settings = load()
    monkeypatch.setitem(settings.__dict__, "sockets", tmp_path / "link")
    with pytest.raises(UserError, match="another user"):
        postgres.make_socket_folder(settings)


def test_history(tmp_path: Path) -> None:
    """Restarts and kills are counted from supervisor's log."""
    log = tmp_path / "supervisor.log"
    log.write_text(
        "2026-01-01 00:00:00,000 INFO spawned: 'scheduler' with pid 1\n"
        "2026-01-01 00:00:01,000 WARN exited: scheduler (terminated by SIGKILL; not expected)\n"
        "2026-01-01 00:00:02,000 INFO spawned: 'scheduler' with pid 2\n"
        "2026-01-01 00:00:03,000 WARN exited: dag-processor (exit status 1; not expected)\n"
    )
    spawned, killed = observe._history(log)
    assert spawned == {"scheduler": 2}
    assert killed == {"scheduler": 1}


def test_limits(load: Callable[..., Settings]) -> None:
    """Every service has a limit; they sum to at most 6 GiB."""
    limits = services.memory_limits(load())
    assert set(limits) == set(services.SERVICES)
    assert sum(limits.values()) <= 6 << 30


def test_own_limit(load: Callable[..., Settings]) -> None:
    """A user's own limit replaces that one and no other."""
    settings = load(SCHEDULER_MEMORY="4g", POSTGRES_MEMORY="1073741824", EMULATORS_MEMORY="2GB")
    limits = services.memory_limits(settings)
    assert (limits["scheduler"], limits["postgres"], limits["emulators"]) == (4 << 30, 1 << 30, 2 << 30)
    assert limits["triggerer"] == services.memory_limits(load())["triggerer"]


def test_lock(load: Callable[..., Settings]) -> None:
    """The lock names its holder, and ends with it."""
    from rich.console import Console  # noqa: PLC0415

    settings, console = load(), Console(record=True)
    program = (
        "import sys, pathlib; from rich.console import Console; from workbench.cli import lock_file; "
        "from workbench.cli.settings import Settings\n"
        "with lock_file.exclusive(Settings.load(pathlib.Path(sys.argv[1]), {}), Console()):\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
    )
    root = Path(__file__).parents[5]
    command = [sys.executable, "-c", program, str(settings.root)]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        psutil.Process(holder.pid).suspend()  # it cannot let go before it has been named
        waiting = subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert waiting.stdout is not None
        assert str(holder.pid) in waiting.stdout.readline()
        holder.kill()
        assert waiting.communicate()[0] == "held\n"
    with lock_file.exclusive(settings, console):
        pass
    assert console.export_text() == ""


def test_empty_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty log on a full disk says so."""
    log = tmp_path / "emulators.log"
    log.touch()
    assert log_files.tail(log) == "its log is empty"
    monkeypatch.setattr(log_files, "NEARLY_FULL_BYTES", 1 << 62)  # more than any disk has left
    assert log_files.tail(log) == f"its log is empty: the disk that holds {tmp_path} is full"
    log.write_text("error: it says why")
    assert log_files.tail(log) == "error: it says why"


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # it outlives who started it
def test_crash_loop(runnable: Callable[..., Settings]) -> None:
    """A service that ends again and again is called so, and starts at once when asked for.

    A real supervisord, and emulators whose environment is gone: without a request, it would wait ever longer.
    """
    settings = runnable(PATH=os.environ["PATH"])
    settings.run.mkdir()
    supervisor = Supervisor(settings)
    supervisor.start()
    try:
        for _ in range(services.LOOPS_AFTER + 1):
            supervisor.start_service(services.EMULATORS)
            while supervisor.processes()[services.EMULATORS]["statename"] != "BACKOFF":
                assert supervisor.running()
        found = {service.name: service for service in observe.observe(supervisor, memory=False)}
        assert found[services.EMULATORS].state == services.CRASH_LOOPING
        assert progress.word(found[services.EMULATORS]) == "[red]crash-looping[/]"
        assert found[services.POSTGRES].state == "stopped"

        python = Path(settings.emulators_python[0])
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\nexec sleep 60\n")
        python.chmod(0o755)
        supervisor.start_service(services.EMULATORS)
        assert supervisor.processes()[services.EMULATORS]["statename"] in {"STARTING", "RUNNING"}
    finally:
        supervisor.stop()

"""Run the services under supervisor: its configuration, its socket, and the end of everything it started.

supervisord leads a session of its own, so that whatever it started can be found even after it was killed.
A session's number is not given to another process while one member lives.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from workbench.cli import services
from workbench.cli.backends.native import postgres
from workbench.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.cli.settings import Settings

#: supervisord answers within this time, on any machine: it answers nobody while it imports Airflow.
PATIENCE = 120
#: A service that ends sooner did not start; it is started again, each time a second later, and never given up.
START_SECONDS, START_RETRIES = 8, 1_000_000
#: Bytes left on a disk on which a log may have lost its last lines.
NEARLY_FULL = 1 << 20
#: What the running services have loaded for good; DAG files and what they import are read anew by each task.
LOADED_ONCE = ("requirements/*.txt", "workbench/airflow/*.py")
LOG_BYTES, LOG_BACKUPS = 10 << 20, 3

_HEAD = """\
; {digest}
[unix_http_server]
file={socket}
chmod=0700
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisord]
nodaemon=true
silent=true
logfile={log}
logfile_maxbytes=10MB
pidfile={pidfile}
childlogdir={logs}
"""
_PROGRAM = """\
[program:{name}]
command={command}
directory={root}
autostart=false
autorestart={autorestart}
startsecs={startsecs}
startretries={retries}
stopsignal={signal}
stopwaitsecs={seconds}
stopasgroup={whole_group}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes={log_bytes}
stdout_logfile_backups={backups}
"""


@dataclass(frozen=True)
class Supervisor:
    """The one supervisord of an environment, running or not."""

    settings: Settings

    @property
    def socket(self) -> Path:
        """Where it is asked and told."""
        return self.settings.sockets / "supervisor.sock"

    @property
    def log(self) -> Path:
        """What it started and what ended."""
        return self.settings.run / "supervisor.log"

    @property
    def config(self) -> Path:
        """Its configuration, which begins with the digest of all settings."""
        return self.settings.run / "supervisor.conf"

    @property
    def record(self) -> Path:
        """Which process leads, or led, the session."""
        return self.settings.run / "supervisor.json"

    def call(self, method: str, *arguments: object) -> Any:
        """Call one of its remote methods.

        :raises OSError: where it does not run.
        :raises xmlrpc.client.Error: where it refuses.
        """
        with xmlrpc.client.ServerProxy("http://supervisor", transport=_UnixTransport(self.socket)) as server:
            return getattr(server.supervisor, method)(*arguments)

    def running(self) -> bool:
        """Return whether it answers."""
        try:
            return bool(self.call("getState")["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Error, http.client.HTTPException):
            return False

    def up_to_date(self) -> bool:
        """Return whether what runs was started with the present settings."""
        return self.config.is_file() and self.config.read_text(encoding="utf-8") == self.configuration()

    def processes(self) -> dict[str, dict[str, Any]]:
        """Return supervisor's view of each service; empty where it does not run."""
        try:
            return {info["name"]: info for info in self.call("getAllProcessInfo")}
        except (OSError, xmlrpc.client.Error, http.client.HTTPException):
            return {}

    def start(self) -> None:
        """Start it, after ending what an earlier one left behind."""
        self.end_leftovers()
        make_socket_folder(self.settings)
        self.settings.logs.mkdir(mode=0o700, exist_ok=True)
        self.log.unlink(missing_ok=True)
        _write(self.config, self.configuration())
        command = [sys.executable, "-m", "workbench.cli.backends.native.component", "supervisord", str(self.config)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.settings.root,
                env=self.settings.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self.running():
            if process.poll() is not None or time.monotonic() > deadline:
                raise UserError("the supervisor did not start", tail(self.log), f"see {self.log}, then ./dev up")
            time.sleep(0.05)

    def start_service(self, name: str) -> None:
        """Ask for a service; whether it becomes healthy is seen later."""
        if self.processes().get(name, {}).get("statename") == "BACKOFF":  # now, and not after its delay
            with suppress(xmlrpc.client.Fault):  # the delay has just ended
                self.call("stopProcess", name, False)
        with suppress(xmlrpc.client.Fault):  # it runs already
            self.call("startProcess", name, False)

    def stop(self) -> None:
        """Stop everything; what others need goes later, and last whatever is left."""
        for wave in services.STOP_ORDER:
            self._stop_services(wave)
        with suppress(OSError, xmlrpc.client.Error, http.client.HTTPException):
            self.call("shutdown")
        if leader := self.leader():
            psutil.wait_procs([leader], timeout=20)
        self.end_leftovers()
        if self.settings.sockets.parent != self.settings.run:
            shutil.rmtree(self.settings.sockets, ignore_errors=True)

    def _stop_services(self, names: tuple[str, ...]) -> None:
        waiting = set(names)
        try:
            for name in names:
                with suppress(xmlrpc.client.Fault):  # it does not run
                    self.call("stopProcess", name, False)
            while waiting & {name for name, info in self.processes().items() if info["pid"]}:
                time.sleep(0.05)
        except (OSError, http.client.HTTPException):
            return  # supervisord is gone; what it left is ended below

    def end_leftovers(self) -> None:
        """End every process of the session, however it came to be orphaned, and forget the session."""
        members = self.members()
        for process in members:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
        _wait(members, 3)
        for process in members:
            with suppress(psutil.Error):
                process.kill()
        _wait(members, 5)
        postgres.end_stale_server(self.settings)
        for file in (self.record, self.socket):
            file.unlink(missing_ok=True)

    def members(self) -> list[psutil.Process]:
        """Return every process of the recorded session, and their children."""
        recorded = self._recorded()
        if not recorded or (psutil.pid_exists(recorded[0]) and not self.leader()):
            return []  # a living stranger with the session's number means that no member of it is left
        session, started = recorded
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if os.getsid(process.pid) == session and process.create_time() >= started - 1:
                    found |= {each.pid: each for each in (process, *process.children(recursive=True))}
        return list(found.values())

    def leader(self) -> psutil.Process | None:
        """Return supervisord itself, if it lives: a number alone may belong to a stranger by now."""
        if recorded := self._recorded():
            with suppress(psutil.Error):
                process = psutil.Process(recorded[0])
                return process if abs(process.create_time() - recorded[1]) < 1 else None
        return None

    def _recorded(self) -> tuple[int, float] | None:
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            return int(record["pid"]), float(record["started"])
        except (OSError, ValueError, KeyError):
            return None

    def configuration(self) -> str:
        """Return supervisor's configuration; it begins with a digest of what only a new supervisord can take up."""
        settings = self.settings
        digest = hashlib.sha256(json.dumps(settings.decided).encode())
        for pattern in LOADED_ONCE:
            for file in sorted(settings.root.glob(pattern)):
                digest.update(file.read_bytes())
        text = _HEAD.format(
            digest=digest.hexdigest(),
            socket=_escape(self.socket),
            log=_escape(self.log),
            pidfile=_escape(settings.run / "supervisord.pid"),
            logs=_escape(settings.logs),
        )
        for name in services.SERVICES:
            once = name == services.INIT
            stop = services.STOPS.get(name, services.Stop())
            text += _PROGRAM.format(
                name=name,
                command=_escape(shlex.join([sys.executable, "-m", "workbench.cli.backends.native.component", name])),
                root=_escape(settings.root),
                autorestart="false" if once else "true",
                startsecs=0 if once else START_SECONDS,
                retries=0 if once else START_RETRIES,
                signal=stop.signal,
                seconds=stop.seconds,
                whole_group=str(stop.whole_group).lower(),
                log=_escape(settings.logs / f"{name}.log"),
                log_bytes=LOG_BYTES,
                backups=LOG_BACKUPS,
            )
        return text


def alive(process: psutil.Process) -> bool:
    """Return whether a process still does anything; a zombie waits for its parent alone."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _wait(processes: list[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> _UnixConnection:
        """Open the connection, and keep it where `close` looks for it."""
        connection = _UnixConnection(self._path)
        self._connection = host, connection
        return connection


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("supervisor", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise


def make_socket_folder(settings: Settings) -> None:
    """Make the folder of the sockets for this user alone; under /tmp somebody else may have been there first."""
    folder = settings.sockets
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.lstat()
    if folder.is_symlink() or state.st_uid != os.geteuid():
        raise UserError(
            f"{folder} belongs to somebody else", "the sockets of the services would be theirs", f"remove {folder}"
        )
    folder.chmod(0o700)


def tail(file: Path, lines: int = 8) -> str:
    """Return the last lines of a log."""
    with suppress(OSError), file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 16_384))
        text = stream.read().decode(errors="replace").rstrip()
        return "\n        ".join(text.splitlines()[-lines:]) or f"its log is empty{_full(file)}"
    return f"it wrote no log{_full(file)}"


def _full(file: Path) -> str:
    """Say that the disk of a log is full, where it is: whatever was written to it is lost then."""
    with suppress(OSError):
        if shutil.disk_usage(file.parent).free < NEARLY_FULL:
            return f": the disk that holds {file.parent} is full"
    return ""


def _escape(value: object) -> str:
    """Write a value as supervisor's configuration wants it: `%` is its own mark."""
    return str(value).replace("%", "%%")


def _write(file: Path, text: str) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)

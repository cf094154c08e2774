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
from workbench.cli.log_files import tail
from workbench.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.cli.settings import Settings

#: supervisord answers within this time, on any machine: it does not answer while it imports Airflow.
TIMEOUT_SECONDS = 120
#: A service that ends sooner did not start; it is restarted, each time a second later, and never given up.
START_SECONDS, START_RETRIES = 8, 1_000_000
#: What the running services have loaded for good; DAG files and what they import are read again by each task.
LOADED_ONCE = ("requirements/*.txt", "workbench/airflow/*.py")
LOG_BYTES, LOG_BACKUPS = 10 << 20, 3
#: A task that ends while the scheduler waits for it reports to the api-server, and may use any other service.
STOP_ORDER = (
    ("scheduler", "dag-processor", "triggerer"),
    ("api-server", services.INIT),
    (services.EMULATORS, services.POSTGRES),
)

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
class Stop:
    """How a service is asked to end.

    :ivar signal: what its first process gets, or with `whole_group` each of its processes.
    :ivar seconds: how long it has before it is killed.
    """

    signal: str = "TERM"
    seconds: int = 10
    whole_group: bool = False


#: Tasks of up to ten seconds may finish; what is killed runs again after the next start.
STOPS = {
    # The fast shutdown; SIGTERM would wait for every client.
    services.POSTGRES: Stop("INT", 20),
    # Its second process ignores the SIGINT that the first one passes on, until ten seconds are over.
    "triggerer": Stop(whole_group=True),
}


@dataclass(frozen=True)
class Supervisor:
    """The one supervisord of an environment, running or not."""

    settings: Settings

    @property
    def socket(self) -> Path:
        """The unix socket on which it takes requests."""
        return self.settings.sockets / "supervisor.sock"

    @property
    def log(self) -> Path:
        """Its own log: which services started and ended."""
        return self.settings.run / "supervisor.log"

    @property
    def config(self) -> Path:
        """Its configuration file, which begins with the digest of all settings."""
        return self.settings.run / "supervisor.conf"

    @property
    def record(self) -> Path:
        """The file that says which process leads, or led, the session."""
        return self.settings.run / "supervisor.json"

    def call(self, method: str, *arguments: object) -> Any:
        """Call one of its remote methods.

        :raises OSError: where it does not run.
        :raises xmlrpc.client.Error: where it answers with an error.
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
        postgres.make_socket_folder(self.settings)
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
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not self.running():
            if process.poll() is not None or time.monotonic() > deadline:
                fix = f"see {self.log}, then ./dev up"
                raise UserError("the supervisor did not start", tail(self.log), fix, "start-failed")
            time.sleep(0.05)

    def start_service(self, name: str) -> None:
        """Ask for a service, and do not wait until it is healthy."""
        if self.processes().get(name, {}).get("statename") == "BACKOFF":  # now, and not after its delay
            with suppress(xmlrpc.client.Fault):  # the delay has just ended
                self.call("stopProcess", name, False)
        with suppress(xmlrpc.client.Fault):  # it runs already
            self.call("startProcess", name, False)

    def stop(self) -> None:
        """Stop everything: first the services that need others, last whatever is left."""
        for names in STOP_ORDER:
            self._stop_services(names)
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
            return  # supervisord has ended; `stop` ends what it left

    def end_leftovers(self) -> None:
        """End every process of the session, also orphans, and remove the session's files."""
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
            return []  # another process has the session's number: no member of the session is left
        session, started = recorded
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if os.getsid(process.pid) == session and process.create_time() >= started - 1:
                    found |= {each.pid: each for each in (process, *process.children(recursive=True))}
        return list(found.values())

    def leader(self) -> psutil.Process | None:
        """Return supervisord itself, if it lives: by now its number may belong to another process."""
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
        """Return supervisor's configuration; it begins with a digest of what only a new supervisord can read."""
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
            stop = STOPS.get(name, Stop())
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
    """Return whether a process still runs; a zombie does not."""
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
        """Open the connection, and keep it for `close`."""
        connection = _UnixConnection(self._path)
        self._connection = host, connection
        return connection


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("supervisor", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise


def _escape(value: object) -> str:
    """Write a value as supervisor's configuration wants it: `%` is its own mark."""
    return str(value).replace("%", "%%")


def _write(file: Path, text: str) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)

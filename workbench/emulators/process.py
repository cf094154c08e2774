"""The one process: three listeners, one data directory, until it is told to end."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.emulators import keys, memory, sample
from workbench.emulators.errors import EmulatorError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WATCH_SECONDS = 5.0


@dataclass(frozen=True)
class Options:
    """What `python -m workbench.emulators serve` was told."""

    data: Path
    keys: Path
    host: str
    port: int
    s3_port: int
    snowflake_port: int
    allow_host: list[str]
    empty: bool


def run(options: Options) -> int:
    """Serve until SIGTERM or SIGINT.

    :return: the exit status.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    memory.configure()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    lock = _own(options.data)
    sockets = [_bind(options.host, port) for port in (options.port, options.s3_port, options.snowflake_port)]
    ports = [bound.getsockname()[1] for bound in sockets]
    if options.port == 0 or not (options.keys / keys.SERVICE_ACCOUNT).exists():
        keys.ensure(options.keys, _names(options), ports[0])
    try:
        emulators = _Emulators(options, sockets, ports)
        emulators.start()
        while not stop.wait(WATCH_SECONDS):
            if dead := emulators.dead():
                print(f"error: the {dead} listener ended by itself; see the lines above", file=sys.stderr)
                return 1
            memory.trim()
        emulators.stop()
    finally:
        os.close(lock)
    return 0


class _Emulators:
    """The listeners, each in a thread of its own: a slow statement must not hold up a health check."""

    def __init__(self, options: Options, sockets: list[socket.socket], ports: list[int]) -> None:
        self.options, self.ports = options, ports
        self._page_socket, self._s3_socket, self._snowflake_socket = sockets
        self._threads: dict[str, threading.Thread] = {}
        self._endings: list[Callable[[], Any]] = []
        self._ready = False

    def start(self) -> None:
        """Start S3 first, for seeding needs it and the slow imports go on meanwhile."""
        from workbench.emulators.faults import Faults  # noqa: PLC0415  # ports are checked before the slow imports begin
        from workbench.emulators.http_guard import KnownHosts  # noqa: PLC0415  # as above
        from workbench.emulators.s3 import S3, listen  # noqa: PLC0415  # as above

        hosts = KnownHosts([*_names(self.options), *self.options.allow_host])
        faults = Faults()
        s3 = S3(self.options.data / "s3", hosts, faults)
        for bucket in (sample.SOURCE_BUCKET, sample.LAKE_BUCKET):
            s3.ensure_bucket(bucket)
        server = listen(s3, self._s3_socket)
        self._run("S3", server.serve_forever)
        self._endings += [server.shutdown]
        seeding = self._seed()
        self._start_web(s3, hosts, faults)
        if seeding and seeding.wait():
            raise EmulatorError(
                "the sample data could not be uploaded",
                "see the lines above",
                f"free disk space in {self.options.data}",
            )
        if seeding:
            (self.options.data / "seeded").touch()
        memory.settle()
        self._ready = True
        _announce(self.options.data / "address.json", self.ports)

    def stop(self) -> None:
        """End all listeners; what they acknowledged is on the disk already."""
        for end in self._endings:
            end()
        for thread in self._threads.values():
            thread.join(5)

    def dead(self) -> str | None:
        """Name a listener that ended without being told to."""
        return next((name for name, thread in self._threads.items() if not thread.is_alive()), None)

    def _health(self) -> dict[str, Any]:
        return {"ok": self._ready and not self.dead(), "services": sorted(self._threads)}

    def _seed(self) -> subprocess.Popen[bytes] | None:
        """Upload the sample data, from a process of its own: its client's memory goes with it."""
        if self.options.empty or (self.options.data / "seeded").exists():
            return None
        url = f"http://{_client_host(self.options.host)}:{self.ports[1]}"
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "workbench.emulators",
                "sample",
                "--keep",
                "--data",
                str(self.options.data),
                "--s3-url",
                url,
            ],
            stdout=subprocess.DEVNULL,
        )

    def _start_web(self, s3: Any, hosts: Any, faults: Any) -> None:
        from workbench.emulators.google import TokenEndpoint  # noqa: PLC0415  # as in start()
        from workbench.emulators.inbox import Inbox  # noqa: PLC0415  # as in start()
        from workbench.emulators.page import Page  # noqa: PLC0415  # as in start()
        from workbench.emulators.sheets import Sheets, SpreadsheetStore  # noqa: PLC0415  # as in start()
        from workbench.emulators.slack import Slack  # noqa: PLC0415  # as in start()
        from workbench.emulators.slack_log import MessageLog  # noqa: PLC0415  # as in start()
        from workbench.emulators.web import Guard, create_app, service_of_page  # noqa: PLC0415  # as in start()

        data = self.options.data
        token, slack = TokenEndpoint(self.options.keys), Slack(MessageLog(data / "slack" / "messages.jsonl"))
        store = SpreadsheetStore(data / "sheets")
        snowflake, tables = self._snowflake()
        page, inbox = Page(s3, store, slack.log, tables), Inbox(slack.log)
        app = create_app(
            token=token,
            sheets=Sheets(store, token),
            slack=slack,
            page=page,
            inbox=inbox,
            faults=faults,
            health=self._health,
        )
        self._endings.append(slack.log.close)
        self._serve("page", Guard(app, hosts, faults, service_of_page), self._page_socket)
        if snowflake:
            tls = {"ssl_certfile": self.options.keys / "server.pem", "ssl_keyfile": self.options.keys / "server.key"}
            guarded = Guard(snowflake, hosts, faults, lambda _: "snowflake")
            self._serve("Snowflake", guarded, self._snowflake_socket, **tls)

    def _snowflake(self) -> tuple[Any, Callable[[], Any]]:
        try:
            from workbench.emulators.snowflake import create_app, tables  # noqa: PLC0415  # as in start()
        except ImportError:
            return None, list
        folder = self.options.data / "snowflake"
        folder.mkdir(exist_ok=True)
        return create_app(folder, f"http://{_client_host(self.options.host)}:{self.ports[1]}"), tables

    def _serve(self, name: str, app: Any, bound: socket.socket, **tls: Any) -> None:
        import uvicorn  # noqa: PLC0415  # as in start()

        config = uvicorn.Config(
            app, http="h11", ws="none", loop="asyncio", log_level="warning", timeout_graceful_shutdown=1, **tls
        )
        server = uvicorn.Server(config)
        self._run(name, lambda: server.run(sockets=[bound]))
        self._endings.append(lambda: setattr(server, "should_exit", True))
        while not server.started and self._threads[name].is_alive():
            self._threads[name].join(0.01)

    def _run(self, name: str, target: Callable[[], Any]) -> None:
        self._threads[name] = threading.Thread(target=target, name=name, daemon=True)
        self._threads[name].start()


def _own(data: Path) -> int:
    """Take the data directory for this process alone."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        handle = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        (data / "address.json").unlink(missing_ok=True)
    except OSError as error:
        raise EmulatorError(
            f"the data directory {data} cannot be used", str(error), "give it to your user, or free disk space"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise EmulatorError(
            f"the data directory {data} is in use", "another process of the emulators has it", "./dev down"
        ) from None
    return handle


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, or asyncio would not turn Nagle's algorithm off and every answer would take 40 ms more.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise EmulatorError(
            f"port {port} is taken" if taken else f"the emulators cannot listen on {host}:{port}",
            f"another process listens on {host}:{port}" if taken else str(error),
            "end that process, or set EMULATORS_PORT, EMULATORS_S3_PORT or EMULATORS_SNOWFLAKE_PORT in .env",
        ) from None
    return bound


def _names(options: Options) -> list[str]:
    return [_client_host(options.host), *options.allow_host]


def _client_host(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  # compared, not bound


def _announce(path: Path, ports: list[int]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(dict(zip(("port", "s3_port", "snowflake_port"), ports, strict=True))) + "\n")
    draft.replace(path)

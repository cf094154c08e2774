"""The process: three listeners and one data directory, until SIGTERM."""

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
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHECK_SECONDS = 5.0
"""Seconds between two checks of the listeners."""


@dataclass(frozen=True)
class Options:
    """The options of `python -m workbench.emulators serve`."""

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
    lock = _lock(options.data)
    sockets = [_bind(options.host, port) for port in (options.port, options.s3_port, options.snowflake_port)]
    ports = [bound.getsockname()[1] for bound in sockets]
    if options.port == 0 or not (options.keys / keys.SERVICE_ACCOUNT).exists():
        keys.ensure(options.keys, _names(options), ports[0])
    try:
        listeners = _Listeners(options, sockets, ports)
        listeners.start()
        while not stop.wait(CHECK_SECONDS):
            if ended := listeners.ended():
                print(f"error: the {ended} listener ended unexpectedly; see the lines above", file=sys.stderr)
                return 1
            memory.trim()
        listeners.stop()
    finally:
        os.close(lock)
    return 0


class _Listeners:
    """The listeners, each in its own thread, so that a slow statement does not delay a health check."""

    def __init__(self, options: Options, sockets: list[socket.socket], ports: list[int]) -> None:
        self.options, self.ports = options, ports
        self._first_socket, self._s3_socket, self._snowflake_socket = sockets
        self._s3_url = f"http://{_client_host(options.host)}:{ports[1]}"
        self._threads: dict[str, threading.Thread] = {}
        self._stops: list[Callable[[], Any]] = []
        self._ready = False

    def start(self) -> None:
        """Start S3 first: the upload of the sample data needs it, and runs while the slow imports go on."""
        from workbench.emulators import registry  # noqa: PLC0415  # ports are checked before the slow imports begin
        from workbench.emulators.faults import Faults  # noqa: PLC0415  # as above
        from workbench.emulators.http_guard import KnownHosts  # noqa: PLC0415  # as above
        from workbench.emulators.s3 import S3, listen  # noqa: PLC0415  # as above

        hosts = KnownHosts([*_names(self.options), *self.options.allow_host])
        emulators = registry.emulators()
        faults = Faults([*emulators, "s3", "snowflake"])
        s3 = S3(self.options.data / "s3", hosts, faults)
        for bucket in (sample.SOURCE_BUCKET, sample.LAKE_BUCKET):
            s3.ensure_bucket(bucket)
        server = listen(s3, self._s3_socket)
        self._run("S3", server.serve_forever)
        self._stops += [server.shutdown]
        upload = self._upload_sample()
        self._start_snowflake(hosts, faults)
        self._start_first_port(s3, emulators, hosts, faults)
        if upload and upload.wait():
            raise UserError(
                "the sample data could not be uploaded",
                "see the lines above",
                f"free disk space in {self.options.data}",
            )
        if upload:
            (self.options.data / "seeded").touch()
        memory.freeze()
        self._ready = True
        _write_address(self.options.data / "address.json", self.ports)

    def stop(self) -> None:
        """Stop all listeners. What they acknowledged is on the disk already."""
        for stop in self._stops:
            stop()
        for thread in self._threads.values():
            thread.join(5)

    def ended(self) -> str | None:
        """Return the name of a listener that ended unexpectedly."""
        return next((name for name, thread in self._threads.items() if not thread.is_alive()), None)

    def _health(self) -> dict[str, Any]:
        return {"ok": self._ready and not self.ended(), "services": sorted(self._threads)}

    def _upload_sample(self) -> subprocess.Popen[bytes] | None:
        """Upload the sample data in a process of its own, whose memory is free again when it ends."""
        if self.options.empty or (self.options.data / "seeded").exists():
            return None
        command = [sys.executable, "-m", "workbench.emulators", "sample", "--keep", "--data", str(self.options.data)]
        return subprocess.Popen([*command, "--s3-url", self._s3_url], stdout=subprocess.DEVNULL)

    def _start_first_port(self, s3: Any, emulators: Any, hosts: Any, faults: Any) -> None:
        from workbench.emulators.inbox import Inbox  # noqa: PLC0415  # as in start()
        from workbench.emulators.page import Page  # noqa: PLC0415  # as in start()
        from workbench.emulators.registry import Context  # noqa: PLC0415  # as in start()
        from workbench.emulators.slack_log import MessageLog  # noqa: PLC0415  # as in start()
        from workbench.emulators.snowflake import tables  # noqa: PLC0415  # as in start()
        from workbench.emulators.spreadsheets import SpreadsheetStore  # noqa: PLC0415  # as in start()
        from workbench.emulators.web import Guard, create_app  # noqa: PLC0415  # as in start()

        data = self.options.data
        messages = MessageLog(data / "slack" / "messages.jsonl")
        page, inbox = Page(s3, SpreadsheetStore(data / "sheets"), messages, tables), Inbox(messages)
        context = Context(data, self.options.keys, messages)
        app = create_app([*page.routes(), *inbox.routes()], emulators, context, faults, self._health)
        self._stops.append(messages.close)
        prefixes = {emulator.prefix: name for name, emulator in emulators.items()}
        guarded = Guard(app, hosts, faults, prefixes, lambda fault: emulators[fault.service].failure(fault))
        self._serve("page", guarded, self._first_socket)

    def _start_snowflake(self, hosts: Any, faults: Any) -> None:
        from workbench.emulators.faults import plain_failure  # noqa: PLC0415  # as in start()
        from workbench.emulators.snowflake import create_app  # noqa: PLC0415  # as in start()
        from workbench.emulators.web import Guard  # noqa: PLC0415  # as in start()

        folder = self.options.data / "snowflake"
        folder.mkdir(exist_ok=True)
        guarded = Guard(create_app(folder, self._s3_url), hosts, faults, {"/": "snowflake"}, plain_failure)
        tls = {"ssl_certfile": self.options.keys / "server.pem", "ssl_keyfile": self.options.keys / "server.key"}
        self._serve("Snowflake", guarded, self._snowflake_socket, **tls)

    def _serve(self, name: str, app: Any, bound: socket.socket, **tls: Any) -> None:
        import uvicorn  # noqa: PLC0415  # as in start()

        config = uvicorn.Config(
            app, http="h11", ws="none", loop="asyncio", log_level="warning", timeout_graceful_shutdown=1, **tls
        )
        server = uvicorn.Server(config)
        self._run(name, lambda: server.run(sockets=[bound]))
        self._stops.append(lambda: setattr(server, "should_exit", True))
        while not server.started and self._threads[name].is_alive():
            self._threads[name].join(0.01)

    def _run(self, name: str, target: Callable[[], Any]) -> None:
        self._threads[name] = threading.Thread(target=target, name=name, daemon=True)
        self._threads[name].start()


def _lock(data: Path) -> int:
    """Lock the data directory for this process."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        handle = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        (data / "address.json").unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"the data directory {data} cannot be used", str(error), "make your user its owner, or free disk space"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            f"the data directory {data} is in use", "another process of the emulators uses it", "./dev down"
        ) from None
    return handle


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With IPPROTO_TCP asyncio turns off Nagle's algorithm, which adds 40 ms to every response.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise UserError(
            f"port {port} is taken" if taken else f"the emulators cannot listen on {host}:{port}",
            f"another process listens on {host}:{port}" if taken else str(error),
            "end that process, or set EMULATORS_PORT, EMULATORS_S3_PORT or EMULATORS_SNOWFLAKE_PORT in .env",
        ) from None
    return bound


def _names(options: Options) -> list[str]:
    return [_client_host(options.host), *options.allow_host]


def _client_host(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  # compared, not bound


def _write_address(path: Path, ports: list[int]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(dict(zip(("port", "s3_port", "snowflake_port"), ports, strict=True))) + "\n")
    draft.replace(path)

"""The S3 emulator: moto behind a WSGI application that streams, persists, and returns S3's own errors."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

os.environ["MOTO_ACCOUNT_ID"] = "123456789012"
os.environ["S3_IGNORE_SUBDOMAIN_BUCKETNAME"] = "true"  # buckets are in the path, whatever the host name is
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"  # otherwise moto allows every web page to read the responses

from moto.moto_server.werkzeug_app import BackendRequest, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from workbench.emulators.http_guard import foreign_page
from workbench.emulators.s3_index import Index
from workbench.emulators.s3_objects import StoredKey

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from workbench.emulators.faults import Fault, Faults
    from workbench.emulators.http_guard import KnownHosts

    Environ = dict[str, Any]
    StartResponse = Callable[..., Any]

BLOCK = 1 << 18
READS = {"GET", "HEAD", "OPTIONS"}
SERVICES = {"s3", "sts"}  # Airflow's connection test asks STS who it is, at the same endpoint
SCOPE = re.compile(r"/([a-z0-9-]+)/aws4_request")
#: The query parameters of a plain request for an object; moto answers requests with others.
PLAIN_QUERY = {"x-id", "versionId"}
#: Sub-resources that moto ignores: it would create, list or delete the bucket instead.
UNSUPPORTED = {
    "abac", "analytics", "intelligent-tiering", "metadataConfiguration", "metadataTable", "metrics", "renameObject",
    "requestPayment", "session", "torrent",
}  # fmt: skip


@dataclass(frozen=True)
class ObjectView:
    """An object, as the start page shows it."""

    key: str
    size: int
    modified: dt.datetime


@dataclass(frozen=True)
class BucketView:
    """A bucket, as the start page shows it."""

    name: str
    objects: list[ObjectView]

    @property
    def count(self) -> int:
        """The number of objects."""
        return len(self.objects)

    @property
    def size(self) -> int:
        """The total size in bytes."""
        return sum(item.size for item in self.objects)


class S3Error(Exception):
    """An error response of S3."""

    def __init__(self, status: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def answer(self, start_response: StartResponse) -> Iterable[bytes]:
        """Return the error as S3 sends it."""
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{escape(self.code)}</Code>'
            f"<Message>{escape(str(self))}</Message><RequestId>emulator</RequestId></Error>"
        ).encode()
        start_response(self.status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


class _Request(BackendRequest):  # type: ignore[misc]  # moto publishes no types
    """A request whose body is kept unchanged, whatever its Content-Type is."""

    @property
    def want_form_data_parsed(self) -> bool:
        """Whether the body is a form: an upload from a form of a page, or a call of STS. Neither has a query."""
        return self.method == "POST" and not self.query_string


class S3:
    """The WSGI application.

    :param folder: where buckets and objects are kept.
    :param hosts: the host names that it accepts.
    :param faults: the active faults.
    """

    def __init__(self, folder: Path, hosts: KnownHosts, faults: Faults) -> None:
        (folder / "incoming").mkdir(parents=True, exist_ok=True)
        self.index = Index(folder)
        self.hosts = hosts
        self.faults = faults
        self._incoming = folder / "incoming"
        self._lock = threading.RLock()
        self._apps: dict[str, Any] = {"s3": _create_app("s3")}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            return self._answer(environ, start_response)
        except S3Error as error:
            return error.answer(start_response)
        except (OSError, sqlite3.Error) as error:
            # boto3 retries a 500 a few times, then raises an error with this message.
            why = f"The S3 emulator: {error}"
            return S3Error("500 Internal Server Error", "InternalError", why).answer(start_response)
        except Exception as error:  # noqa: BLE001  # moto raises anything where it lacks a feature
            why = f"The S3 emulator does not support this request: {type(error).__name__}: {error}"
            return S3Error("501 Not Implemented", "NotImplemented", why).answer(start_response)

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self._guard(environ)
        fault = self.faults.take("s3", environ.get("PATH_INFO", ""))
        if fault and fault.kind == "hang":
            time.sleep(fault.seconds)
        elif fault and fault.kind == "drop":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        elif fault:
            raise _failure(fault)
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if unsupported := UNSUPPORTED.intersection(query):
            why = f"The S3 emulator does not support {environ['REQUEST_METHOD']} ?{min(unsupported)}"
            raise S3Error("501 Not Implemented", "NotImplemented", why)
        if _service(environ) not in SERVICES:
            raise S3Error(
                "501 Not Implemented", "NotImplemented", f"The emulator does not support {_service(environ).upper()}."
            )
        if environ["REQUEST_METHOD"] not in READS:
            return self._write(environ, start_response)
        return self._object(environ, query, start_response) or self._moto(environ, start_response)

    def _guard(self, environ: Environ) -> None:
        """Refuse the requests of foreign web pages."""

        def header(name: str) -> str:
            return str(environ.get(f"HTTP_{name.upper().replace('-', '_')}", ""))

        if not self.hosts.allow(header("host")):
            raise S3Error(
                "403 Forbidden", "AccessDenied", "The emulators do not accept this host name; add it with --allow-host."
            )
        if page := foreign_page(environ["REQUEST_METHOD"], header, links=True):
            why = f"The S3 emulator refuses requests from web pages, and this one comes from {page}"
            raise S3Error("403 Forbidden", "AccessForbidden", why)

    def ensure_bucket(self, name: str) -> None:
        """Create a bucket, unless it exists."""
        with self._lock:
            if name not in self.index.backend.buckets:
                self.index.backend.create_bucket(name, "us-east-1")
                self.index.save(name)

    def buckets(self) -> list[BucketView]:
        """Return all buckets with their objects, the newest first."""
        with self._lock:
            return [
                BucketView(
                    name,
                    sorted(
                        (
                            ObjectView(key, stored.contentsize, stored.last_modified)
                            for key in list(bucket.keys)
                            if (stored := self.find(name, key))
                        ),
                        key=lambda item: (item.modified, item.key),
                        reverse=True,
                    ),
                )
                for name, bucket in sorted(self.index.backend.buckets.items())
            ]

    def find(self, bucket: str, key: str, version: str | None = None) -> StoredKey | None:
        """Return an object, or one version of it; None where it does not exist or is deleted."""
        held = self.index.backend.buckets.get(bucket)
        versions = held.keys.getlist(key, []) if held else []
        wanted = [each for each in versions if version in {None, each.version_id}]
        return wanted[-1] if wanted and isinstance(wanted[-1], StoredKey) else None

    def _moto(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        service = _service(environ)
        with self._lock:
            if service not in self._apps:
                self._apps[service] = _create_app(service)
            answer: Iterable[bytes] = self._apps[service](environ, start_response)
        return answer

    def _write(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Read the whole body, change the state, make it durable, and only then answer."""
        bucket, key = address(environ)
        with tempfile.SpooledTemporaryFile(BLOCK, dir=str(self._incoming)) as body:
            _copy_body(environ, body)
            body.seek(0)
            environ = environ | {"wsgi.input": body}
            with self._lock:
                head: list[Any] = []
                answer = list(self._moto(environ, lambda *args: head.extend(args)))
                in_parts = "uploadId=" in environ.get("QUERY_STRING", "") and environ["REQUEST_METHOD"] != "POST"
                if bucket and not in_parts:
                    self.index.save(bucket, key or None)
        start_response(*head)
        return answer

    def _object(
        self, environ: Environ, query: dict[str, list[str]], start_response: StartResponse
    ) -> Iterable[bytes] | None:
        """Answer a plain HEAD or GET of an object: the headers come from moto, the bytes from the file.

        :return: None for another request, or where moto does not return the object.
        """
        bucket, key = address(environ)
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"} or not key or not PLAIN_QUERY.issuperset(query):
            return None
        head: list[Any] = []
        with self._lock:
            stored = self.find(bucket, key, query.get("versionId", [None])[0])
            if stored is None:
                return None
            list(self._moto(environ | {"REQUEST_METHOD": "HEAD"}, lambda *args: head.extend(args)))
            status, headers = head[0], [(name, _composite(stored, name, value)) for name, value in head[1]]
            if not status.startswith("20"):
                return None
            file = stored.path.open("rb")
        first, length = _span(headers, stored.contentsize)
        start_response(status, headers)
        if environ["REQUEST_METHOD"] == "HEAD":
            file.close()
            return [b""]
        return _blocks(file, first, length)


def _create_app(service: Any) -> Any:
    """Return moto's application for a service."""
    app = create_backend_app(service)
    app.request_class = _Request
    return app


def _service(environ: Environ) -> str:
    """Return the service that a request is signed for; S3 where it is not signed."""
    signed = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    return signed[1] if signed else "s3"


def _composite(stored: StoredKey, name: str, value: str) -> str:
    """Add the number of parts to a checksum of checksums, as S3 does and moto does not: clients compare it."""
    parts = stored.checksum_parts if getattr(stored, "checksum_type", None) == "COMPOSITE" else None
    return f"{value}-{parts}" if parts and name.lower().startswith("x-amz-checksum-") else value


def _span(headers: list[tuple[str, str]], size: int) -> tuple[int, int]:
    """Return the first byte and the number of bytes that the headers announce."""
    for name, value in headers:
        if name.lower() == "content-range":
            first, _, rest = value.removeprefix("bytes ").partition("-")
            return int(first), int(rest.partition("/")[0]) - int(first) + 1
    return 0, size


def address(environ: Environ) -> tuple[str, str]:
    """Return the bucket and the key in a request's path; each may be empty."""
    path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
    bucket, _, key = path.removeprefix("/").partition("/")
    return bucket, key


def _failure(fault: Fault) -> S3Error:
    if fault.kind == "limit":
        return S3Error("503 Slow Down", "SlowDown", "Please reduce your request rate.")
    return S3Error("500 Internal Server Error", fault.error or "InternalError", "We encountered an internal error.")


def _copy_body(environ: Environ, target: IO[bytes]) -> None:
    source = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        while block := source.read(BLOCK):
            target.write(block)
        environ["CONTENT_LENGTH"] = str(target.tell())
        return
    missing = int(environ.get("CONTENT_LENGTH") or 0)
    while missing and (block := source.read(min(BLOCK, missing))):
        target.write(block)
        missing -= len(block)


def _blocks(file: IO[bytes], first: int, length: int) -> Iterator[bytes]:
    with file:
        file.seek(first)
        while length and (block := file.read(min(BLOCK, length))):
            length -= len(block)
            yield block


class _Handler(WSGIRequestHandler):  # type: ignore[misc]  # skipped by mypy, as its package is untyped in places
    """HTTP/1.1 without a log line for each request, and without waiting for small packets to fill."""

    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


def listen(app: S3, bound: socket.socket) -> BaseWSGIServer:
    """Return the server for a bound socket; `serve_forever` runs it."""
    host, port = bound.getsockname()[:2]
    return make_server(host, port, app, threaded=True, request_handler=_Handler, fd=bound.fileno())

"""GitHub's forwarder of a codespace's port, as far as browser and Airflow can tell.

The browser asks for `https://NAME-8080.DOMAIN/` by TLS; the server inside is asked for `http://localhost:8080`, with
the address that the browser knows in `X-Forwarded-*`. Here the browser comes by CONNECT, as to a proxy, since no name
server knows the codespace.
"""

from __future__ import annotations

import datetime as dt
import http.client
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "host", "content-length"}


@contextmanager
def forwarder(host: str, port: int, folder: Path) -> Iterator[str]:
    """Serve; give the address that the browser takes for its proxy.

    :param host: the workspace's address, as this machine sees it.
    :param folder: where the certificate goes.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        name = ""

        def do_CONNECT(self) -> None:
            """Be the named server from here on, by TLS."""
            self.name = self.path.partition(":")[0]
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)
            self.close_connection = False

        def forward(self) -> None:
            """Ask the server inside, and pass on its answer."""
            kept = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            kept |= {"Host": f"localhost:{port}", "X-Forwarded-Host": self.name, "X-Forwarded-Proto": "https"}
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            inside = http.client.HTTPConnection(host, port, timeout=60)
            inside.request(self.command, self.path, body, kept)
            answer = inside.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            inside.close()

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = forward  # noqa: N815 as above

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: a browser that leaves a page drops what it had asked for."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder: Path) -> Path:
    """Make a certificate with its key; nobody but the test's browser will meet it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "codespace")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "codespace.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(private + made.public_bytes(pem))
    return file

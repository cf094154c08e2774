"""Start an instance of the emulators on free ports."""

from __future__ import annotations

import json
import os
import shutil
import signal
import string
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = ROOT / "compose" / "emulators.env"
START_SECONDS = 60
#: A disk with fewer free bytes may be why the log is empty.
NEARLY_FULL = 1 << 20


@dataclass(frozen=True)
class Connections:
    """The addresses of one running instance, and what its clients need."""

    page_url: str
    s3_url: str
    snowflake_host: str
    snowflake_port: int
    ca_bundle: Path
    keys: Path
    data: Path
    pid: int

    def env(self) -> dict[str, str]:
        """Return the settings in `compose/emulators.env` for this instance, and the certificates to trust."""
        host, _, port = self.page_url.removeprefix("http://").rpartition(":")
        settings = default_settings(
            {
                "EMULATORS_HOST": host,
                "EMULATORS_PORT": port,
                "EMULATORS_S3_PORT": self.s3_url.rpartition(":")[2],
                "EMULATORS_SNOWFLAKE_PORT": str(self.snowflake_port),
                "KEYS_DIR": str(self.keys),
            }
        )
        return settings | {"REQUESTS_CA_BUNDLE": str(self.ca_bundle)}


def default_settings(values: Mapping[str, str]) -> dict[str, str]:
    """Return the settings in `compose/emulators.env`, with each `${NAME}` replaced.

    :param values: EMULATORS_HOST, EMULATORS_PORT, EMULATORS_S3_PORT, EMULATORS_SNOWFLAKE_PORT and KEYS_DIR.
    """
    lines = DEFAULTS.read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line.strip() and not line.startswith("#"))
    return {name: string.Template(value).substitute(values) for name, _, value in pairs}


@contextmanager
def serve(data: Path | None = None, *, sample: bool = False) -> Iterator[Connections]:
    """Run the emulators on free loopback ports until the block ends.

    :param data: the data directory; a temporary one by default. The instance continues with the data in it.
    :param sample: upload the sample data on the first start.
    """
    with tempfile.TemporaryDirectory(prefix="emulators-") as scratch:
        data = data or Path(scratch) / "data"
        keys = data / "keys"
        command = [_python(), "-m", "workbench.emulators", "serve", "--data", str(data), "--keys", str(keys)]
        command += ["--port", "0", "--s3-port", "0", "--snowflake-port", "0"]
        data.mkdir(parents=True, exist_ok=True)
        log = data / "log"
        (data / "address.json").unlink(missing_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, *([] if sample else ["--empty"])], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            address = _wait(process, data / "address.json", log)
            yield Connections(
                page_url=f"http://127.0.0.1:{address['port']}",
                s3_url=f"http://127.0.0.1:{address['s3_port']}",
                snowflake_host="127.0.0.1",
                snowflake_port=address["snowflake_port"],
                ca_bundle=keys / "ca-bundle.pem",
                keys=keys,
                data=data,
                pid=process.pid,
            )
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _python() -> str:
    own = ROOT / ".venv-emulators" / "bin" / "python"
    return str(own) if own.exists() else sys.executable  # an image holds one environment only


def _wait(process: subprocess.Popen[bytes], address: Path, log: Path) -> dict[str, int]:
    """Wait for the file that the process writes once all listeners serve."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if address.exists():
            found: dict[str, int] = json.loads(address.read_text())
            return found
        time.sleep(0.02)
    state = "did not become healthy" if process.poll() is None else f"exited with status {process.returncode}"
    output = log.read_text(errors="replace")
    if not output and shutil.disk_usage(log.parent).free < NEARLY_FULL:
        output = f"nothing was logged: the disk that holds {log.parent} is full"
    raise RuntimeError(f"the emulators {state}:{os.linesep}{output}")

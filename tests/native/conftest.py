"""A real environment in a copy of the checkout, on free ports."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.cases import SOONER
from tests.ports import free_ports
from tests.undo import undone
from workbench.cli.backends.native import postgres
from workbench.cli.backends.native.observe import observe
from workbench.cli.backends.native.supervise import Supervisor, alive
from workbench.cli.client import AirflowApi
from workbench.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workbench.cli.services import Service

ROOT = Path(__file__).resolve().parents[2]
PORTS = ("AIRFLOW_PORT", "EMULATORS_PORT", "EMULATORS_S3_PORT", "EMULATORS_SNOWFLAKE_PORT")
#: What a person's shell has; nothing of the tests' own settings may reach the environment.
KEPT = ("PATH", "HOME", "LANG", "TERM", "SSL_CERT_FILE")
#: A user's proxy, which does not know what is on this machine.
PROXY = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
#: The longest any command may take on a loaded machine.
PATIENCE = 400


@dataclass(frozen=True)
class Stack:
    """A copy of the checkout and the environment in it.

    :param root: the copy.
    :param prefix: words before each command, which make it run as another user.
    """

    root: Path
    prefix: tuple[str, ...] = ()
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The environment's settings."""
        return Settings.load(self.root, self.process)

    @property
    def process(self) -> dict[str, str]:
        """The environment of the shell in which `./dev` is typed."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {**kept, **PROXY, "PYTHONPATH": str(self.root), "HOME": str(self.root) if self.prefix else kept["HOME"]}

    @cached_property
    def api(self) -> AirflowApi:
        """A logged-in client."""
        settings = self.settings
        return AirflowApi(settings.ui_url, settings.ui_user, settings.password_file.read_text(encoding="utf-8"))

    def close(self) -> None:
        """Close the client's connections, if there are any."""
        if "api" in self.__dict__:
            self.api._http.close()

    def command(self, *words: str) -> list[str]:
        """Return what runs `./dev WORDS`."""
        return [*self.prefix, str(self.root / ".venv/bin/python"), "-m", "workbench.cli", *words]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin `./dev WORDS`, in the Python that runs the tests."""
        return subprocess.Popen(
            self.command(*words),
            cwd=self.root,
            env=self.process,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear_ctrl_c,  # noqa: PLW1509 the tests start no thread that could hold a lock here
        )

    def dev(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `./dev WORDS` to its end."""
        with self.start(*words) as process:
            output, errors = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def up(self) -> None:
        """Bring it up, or fail with what `up` says."""
        result = self.dev("up")
        assert result.returncode == 0, result.stdout + result.stderr

    def service(self, name: str) -> Service:
        """Look at one service."""
        return next(service for service in observe(Supervisor(self.settings)) if service.name == name)

    def pid(self, name: str) -> int:
        """Return the process number of a service."""
        return self.service(name).pid

    def processes(self) -> list[psutil.Process]:
        """Return everything that runs for this environment, found in two ways that know nothing of each other."""
        found = {process.pid: process for process in Supervisor(self.settings).members()}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                mine = str(self.root) in " ".join(process.cmdline()) or Path(process.cwd()).is_relative_to(self.root)
                if mine and process.pid != os.getpid() and alive(process):
                    found[process.pid] = process
        return list(found.values())


@contextmanager
def copied(tmp_path_factory: pytest.TempPathFactory, name: str, *, ordinary_user: bool = False) -> Iterator[Stack]:
    """Copy the checkout; at the end, also of a run that is killed, the copy is brought down and its state deleted."""
    root = tmp_path_factory.mktemp("native") / name
    copy_checkout(root)
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    lines = {"WORKBENCH_MODE": "native", **ports}
    (root / ".env").write_text("".join(f"{name}={value}\r\n" for name, value in lines.items()))
    prefix = tuple(postgres.unprivileged()) if ordinary_user else ()
    if prefix:  # root plays an ordinary user who may read what is root's
        for path in (root, *root.rglob("*")):
            os.chown(path, postgres.NOBODY, postgres.NOBODY, follow_symlinks=False)
    stack = Stack(root, prefix, ports)
    with undone(stack.command("down"), ["rm", "-r", "-f", ".run"], cwd=root, env=stack.process), closing(stack):
        yield stack


@pytest.fixture(scope="module")
def make_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Stack]]:
    """Copy the checkout for the tests of a module, which have the environment to themselves."""
    with ExitStack() as ends:
        yield lambda name, **options: ends.enter_context(copied(tmp_path_factory, name, **options))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One running environment for all tests that only use it."""
    with copied(tmp_path_factory, "stack") as stack:
        with (stack.root / ".env").open("a") as file:
            file.write(SOONER)
        stack.up()
        yield stack


def hear_ctrl_c() -> None:
    """Undo what a shell does to commands that it starts with `&`: they, and so the tests, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def copy_checkout(root: Path) -> None:
    """Copy what git knows or would take, as it is now; the environments are shared."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    (root / ".venv").symlink_to(sys.prefix)
    (root / ".venv-emulators").symlink_to(ROOT / ".venv-emulators")

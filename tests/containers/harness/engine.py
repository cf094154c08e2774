"""A Docker daemon: the one that answers, else one from Debian's packages under a folder of its own."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.containers.harness import base_images
from tests.containers.harness.debian import Packages, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: `healthcheck.start_interval` needs the engine, `include` with several `env_file`s Compose.
OLDEST_ENGINE, OLDEST_COMPOSE = (25,), (2, 24)
#: Debian testing has the engine; all of it runs on Debian 12 and later.
PACKAGES = {
    "forky": ["docker.io", "docker-cli", "docker-compose", "docker-buildx", "containerd", "tini-static"],
    "bookworm": [
        "runc",
        "libseccomp2",
        "iptables",
        "libip4tc2",
        "libip6tc2",
        "libxtables12",
        "libnetfilter-conntrack3",
        "libnfnetlink0",
        "libnftnl11",
        "libmnl0",
        "mmdebstrap",
    ],
}
START_SECONDS = 60.0
STOP_SECONDS = 60.0
FIREWALLS = ("iptables", "ip6tables")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


@dataclass(frozen=True)
class Engine:
    """A daemon and its client.

    :param folder: the private engine's folder, or None for the machine's own daemon.
    """

    folder: Path | None

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find client and daemon."""
        if self.folder is None:
            return dict(os.environ)
        prefix = self.folder / "prefix"
        libraries = next(iter((prefix / "usr/lib").glob("*-linux-gnu")), prefix)
        return {
            **os.environ,
            "PATH": f"{prefix}/usr/sbin:{prefix}/usr/bin:{os.environ['PATH']}",
            "DOCKER_HOST": f"unix://{self.folder}/docker.sock",
            "DOCKER_CONFIG": str(self.folder / "config"),
            "LD_LIBRARY_PATH": str(libraries),
            "XTABLES_LIBDIR": str(libraries / "xtables"),
        }

    def answers(self) -> bool:
        """Return whether daemon and client are there and new enough."""
        try:
            engine = self.docker("version", "--format", "{{.Server.Version}}")
            compose = self.docker("compose", "version", "--short")
        except (OSError, RuntimeError):
            return False
        return _version(engine) >= OLDEST_ENGINE and _version(compose) >= OLDEST_COMPOSE

    def docker(self, *arguments: str) -> str:
        """Run the client; give what it printed."""
        return run(["docker", *arguments], capture=True, environment=self.environment).strip()

    def start(self) -> None:
        """Start the private daemon and wait until it answers."""
        folder = self._own()
        _install(folder)
        save = {tool: self._firewall(tool, "save") for tool in FIREWALLS}
        save["forwarding"] = FORWARDING.read_text(encoding="ascii")
        (folder / "network.json").write_text(json.dumps(save), encoding="utf-8")
        mtu = uplink_mtu()
        command = ["dockerd", f"--data-root={folder}/data", f"--exec-root={folder}/exec"]
        command += [f"--pidfile={folder}/docker.pid", f"--host=unix://{folder}/docker.sock", f"--mtu={mtu}"]
        # A wider network than the uplink's stalls transfers.
        command.append(f"--default-network-opt=bridge=com.docker.network.driver.mtu={mtu}")
        with (folder / "dockerd.log").open("wb") as log:
            # It outlives `up`, and the terminal's Ctrl-C is not for it.
            subprocess.run(
                ["setsid", "--fork", *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if time.monotonic() > deadline:
                self.stop()
                log_tail = (folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")[-3000:]
                raise RuntimeError(f"dockerd does not answer:\n{log_tail}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End the private daemon and undo what it did to the machine's network."""
        folder = self._own()
        with suppress(OSError, ValueError):
            process = int((folder / "docker.pid").read_text(encoding="ascii"))
            if b"dockerd" in Path(f"/proc/{process}/cmdline").read_bytes():
                os.kill(process, signal.SIGTERM)
                _wait_for_end(process)
        if not (folder / "network.json").exists():
            return
        save = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        if shutil.which("ip") and Path("/sys/class/net/docker0").exists():
            run(["ip", "link", "delete", "docker0"])
        for tool in FIREWALLS:
            self._firewall(tool, "restore", save[tool])
        FORWARDING.write_text(save["forwarding"], encoding="ascii")
        (folder / "network.json").unlink()

    def _own(self) -> Path:
        if self.folder is None:
            raise RuntimeError("the machine's own daemon is not for us to start or stop")
        return self.folder

    def _firewall(self, tool: str, verb: str, rules: str | None = None) -> str:
        return subprocess.run(
            [f"{tool}-{verb}"], env=self.environment, input=rules, capture_output=True, text=True, check=False
        ).stdout


def cache_folder() -> Path:
    """Return the folder that keeps engine and images from one run to the next; no checkout's, for all to share."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "airflow-workbench" / "containers"


def obstacle() -> str | None:
    """Say why no private engine can run here, if so."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "no Docker daemon answers, and only root on Linux can start one"
    missing = [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]
    modules = ["-MDigest::SHA", "-MPod::Usage"]
    if (
        not shutil.which("perl")
        or subprocess.run(["perl", *modules, "-e1"], capture_output=True, check=False).returncode
    ):
        missing.append("perl with its modules (apt install perl)")
    return f"no Docker daemon answers, and {' and '.join(missing)} is missing to fetch one" if missing else None


@contextmanager
def running() -> Iterator[Engine]:
    """Return an engine with the base images; the last of the processes that share it ends a daemon that one started."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    started_here = folder / "started-for-tests"
    with (folder / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        engine, started = up()
        if started:
            started_here.touch()
        try:
            yield engine
        finally:
            with suppress(BlockingIOError):  # another process uses it still
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if started_here.exists():
                    engine.stop()
                    started_here.unlink()


def up() -> tuple[Engine, bool]:
    """Bring up an engine with the base images.

    :return: it, and whether it had to be started.
    """
    started = False
    # The private one first: a shell that has its address from `env` takes it for the machine's own.
    engine = Engine(cache_folder())
    with _locked(cache_folder()):
        if not engine.answers() and Engine(None).answers():
            engine = Engine(None)
        elif not engine.answers():
            engine.start()
            started = True
        try:
            base_images.ensure(engine)
        except BaseException:
            if started:
                engine.stop()
            raise
    return engine, started


def uplink_mtu() -> int:
    """Return the largest packet that the default route takes."""
    for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
        interface, destination = line.split()[:2]
        if destination == "00000000":
            return int(Path(f"/sys/class/net/{interface}/mtu").read_text(encoding="ascii"))
    return 1500


def _install(folder: Path) -> None:
    stamp = folder / "installed.json"
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == PACKAGES:
        return
    prefix = folder / "prefix"
    shutil.rmtree(prefix, ignore_errors=True)
    Packages(folder / "apt", prefix).unpack(PACKAGES)
    tools: Mapping[str, str] = {
        f"{tool}{verb}": "xtables-nft-multi" for tool in FIREWALLS for verb in ("", "-save", "-restore")
    }
    for name, target in tools.items():
        (prefix / "usr/sbin" / name).symlink_to(target)
    (folder / "config").mkdir(exist_ok=True)
    plugins = {"cliPluginsExtraDirs": [str(prefix / "usr/libexec/docker/cli-plugins")]}
    (folder / "config/config.json").write_text(json.dumps(plugins), encoding="utf-8")
    stamp.write_text(json.dumps(PACKAGES), encoding="utf-8")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def _wait_for_end(process: int) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(process, 0)
            time.sleep(0.1)
        os.kill(process, signal.SIGKILL)

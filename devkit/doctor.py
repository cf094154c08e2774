"""Look at everything a start needs, and change nothing."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from devkit import keys, machine, postgres, up
from devkit.errors import UserError
from devkit.observe import observe
from devkit.settings import Settings
from devkit.supervise import Supervisor

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console

MIB = 1 << 20
GOOD, POOR, BAD = "ok", "warning", "error"
COLOURS = {GOOD: "green", POOR: "yellow", BAD: "red"}
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Finding:
    """What one look found.

    :ivar verdict: ok, warning or error; an error keeps `./dev up` from working.
    :ivar mend: what mends it; empty where nothing is to be done.
    """

    subject: str
    verdict: str
    found: str
    mend: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All findings."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether a start can succeed."""
        return all(finding.verdict != BAD for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Give them for scripts."""
        return {"ok": self.ok, "findings": [asdict(finding) for finding in self.findings]}

    def to_text(self, console: Console) -> None:
        """Print a table, each trouble with its mend."""
        for finding in self.findings:
            console.print(f"[{COLOURS[finding.verdict]}]{finding.verdict:<8}[/] {finding.subject:<21}", end=" ")
            console.print(finding.found, markup=False)
            if finding.mend:
                console.print(f"{'':<30} mend: {finding.mend}", markup=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options: there are none."""


def run(args: argparse.Namespace) -> Diagnosis:  # noqa: ARG001 the protocol of commands
    """Look at everything."""
    return diagnose()


def diagnose(load: Callable[[], Settings] = Settings.load) -> Diagnosis:
    """Look at the machine, then at the settings and what depends on them."""
    findings = [*_machine()]
    try:
        settings = load()
    except UserError as error:
        findings.append(Finding("settings", BAD, f"{error.what}: {error.why}", error.mend))
    else:
        for look in (_settings, _room, _ports, _secrets, _keys):
            findings += look(settings)
    return Diagnosis(tuple(findings))


def _machine() -> Iterator[Finding]:
    yield Finding("Python", GOOD, f"{sys.version.split()[0]} in {sys.prefix}")
    try:
        words = [*postgres.unprivileged(), str(postgres.BINARIES / "postgres"), "--version"]
        version = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
        yield Finding("PostgreSQL", GOOD, version)
    except (OSError, subprocess.CalledProcessError) as error:
        yield Finding("PostgreSQL", BAD, f"it does not run: {error}", "rm -rf .venv, then ./dev doctor")
    except UserError as error:
        yield Finding("PostgreSQL", BAD, error.why, error.mend)
    yield Finding("Docker", GOOD, shutil.which("docker") or "not installed; it is not needed")


def _settings(settings: Settings) -> Iterator[Finding]:
    file = settings.root / ".env"
    yield Finding(".env", GOOD, "is well-formed" if file.is_file() else "there is none: all defaults")
    if ignored := sorted(set(settings.user).intersection(settings.place) - set(settings.ports)):
        changed = [name for name in ignored if settings.user[name] != settings.place[name]]
        if changed:
            yield Finding(".env", POOR, f"{', '.join(changed)}: decided by ./dev, not by you", "remove them")
    for connection in settings.connections:
        yield Finding(connection.conn_id, GOOD, "the stand-in" if connection.is_standin else "REAL, well-formed")


def _room(settings: Settings) -> Iterator[Finding]:
    memory = machine.free_memory()
    found = f"{memory // MIB} MiB are free"
    if memory >= up.MEMORY_NEEDED or Supervisor(settings).running():
        yield Finding("memory", GOOD, found)
    else:
        yield Finding("memory", POOR, found, f"close something: {up.MEMORY_NEEDED // MIB} MiB are comfortable")
    place = settings.run if settings.run.is_dir() else settings.root
    free = machine.free_disk(place)
    bad = free < up.DISK_NEEDED
    yield Finding(
        "disk",
        BAD if bad else GOOD,
        f"{free // MIB} MiB are free at {place}",
        f"free {up.DISK_NEEDED // MIB} MiB" if bad else "",
    )
    if not os.access(place, os.W_OK):
        yield Finding("disk", BAD, f"{place} cannot be written", "mend its owner or mode")


def _ports(settings: Settings) -> Iterator[Finding]:
    listed = ", ".join(f"{name}={port}" for name, port in settings.ports.items())
    if Supervisor(settings).running():
        ready = all(service.ready for service in observe(settings, memory=False))
        found = "the environment is up" if ready else "something is not healthy"
        yield Finding("ports", GOOD if ready else POOR, f"{found}; {listed}", "" if ready else "./dev status")
        return
    try:
        up.check_ports(settings)
        yield Finding("ports", GOOD, f"free: {listed}")
    except UserError as error:
        yield Finding("ports", BAD, f"{error.what}: {error.why}", error.mend)


def _secrets(settings: Settings) -> Iterator[Finding]:
    for file in (settings.root / ".env", settings.root / "secrets/google_service_account.json"):
        if file.is_file():
            yield _private(file, settings.root)
    if tracked := _tracked(settings.root):
        found = f"{', '.join(tracked)} is in git"
        yield Finding("secrets", BAD, found, f"git rm --cached {' '.join(tracked)}, and replace what it held")


def _keys(settings: Settings) -> Iterator[Finding]:
    if not settings.keys.is_dir():
        yield Finding("keys", GOOD, "there are none yet: ./dev up makes them")
        return
    yield _private(settings.keys, settings.root)
    missing = [name for name in keys.MAKERS if not (settings.keys / name).is_file()]
    if missing and (settings.run / "postgres").is_dir() and "fernet_key" in missing:
        yield Finding("keys", POOR, "the database was encrypted with a Fernet key that is gone", "./dev reset")
    elif missing:
        yield Finding("keys", GOOD, f"./dev up will make {', '.join(missing)}")


def _private(path: Path, root: Path) -> Finding:
    mode = path.stat().st_mode
    name = str(path.relative_to(root))
    if mode & OTHERS:
        return Finding(name, POOR, f"others may read it ({stat.filemode(mode)})", f"chmod go= {path}")
    return Finding(name, GOOD, f"is for you alone ({stat.filemode(mode)})")


def _tracked(root: Path) -> list[str]:
    """Give the secret files that git would publish."""
    command = ["git", "ls-files", "--", ".env", "secrets"]
    try:
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return []
    harmless = (".example", "README.md", ".gitkeep", ".gitignore")
    return [name for name in result.stdout.splitlines() if not name.endswith(harmless)]

"""Check everything that a start needs, and change nothing."""

from __future__ import annotations

import stat
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench.cli.backends import choice
from workbench.cli.finding import ERROR, OK, WARNING, Finding
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console

    from workbench.cli.backends.protocol import Backend
    from workbench.cli.settings import Settings

GROUP = "set up"
COLOURS = {OK: "green", WARNING: "yellow", ERROR: "red"}
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Diagnosis:
    """All findings."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether a start can succeed."""
        return all(finding.verdict != ERROR for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return them for scripts."""
        return {"ok": self.ok, "findings": [asdict(finding) for finding in self.findings]}

    def to_text(self, console: Console) -> None:
        """Print a table, each problem with its fix."""
        for finding in self.findings:
            console.print(f"[{COLOURS[finding.verdict]}]{finding.verdict:<8}[/] {finding.subject:<21}", end=" ")
            console.print(finding.found, markup=False)
            if finding.fix:
                console.print(f"{'':<30} fix: {finding.fix}", markup=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)


def run(args: argparse.Namespace) -> Diagnosis:
    """Check everything."""
    return diagnose(lambda: choice.choose(args))


def diagnose(choose: Callable[[], Backend]) -> Diagnosis:
    """Check the settings, what the backend needs, and secrets."""
    findings = [Finding("Python", OK, f"{sys.version.split()[0]} in {sys.prefix}")]
    try:
        backend = choose()
    except UserError as error:
        findings.append(Finding("settings", ERROR, f"{error.what}: {error.why}", error.fix))
    else:
        findings.append(Finding("mode", OK, backend.settings.mode))
        findings += [*_settings(backend.settings), *backend.examine(), *_secrets(backend.settings)]
    return Diagnosis(tuple(findings))


def _settings(settings: Settings) -> Iterator[Finding]:
    file = settings.root / ".env"
    yield Finding(".env", OK, "is valid" if file.is_file() else "does not exist: all settings have their defaults")
    decided = {name: value for name, value in settings.from_backend.items() if name not in settings.ports}
    if ignored := sorted(name for name in decided if settings.user.get(name, decided[name]) != decided[name]):
        found = f"{', '.join(ignored)}: ignored, because ./dev sets this itself"
        yield Finding(".env", WARNING, found, "remove this setting from .env and from the environment")
    for connection in settings.connections:
        yield Finding(connection.conn_id, OK, "the emulator" if connection.is_emulator else "REAL, valid")


def _secrets(settings: Settings) -> Iterator[Finding]:
    for file in (settings.root / ".env", settings.root / "secrets/google_service_account.json"):
        if file.is_file():
            yield _private(file, settings.root)
    if settings.keys.is_dir() and settings.keys.is_relative_to(settings.root):  # else Airflow's own
        yield _private(settings.keys, settings.root)
    if tracked := _tracked(settings.root):
        found = f"{', '.join(tracked)} is in git"
        yield Finding("secrets", ERROR, found, f"git rm --cached {' '.join(tracked)}, and replace the secrets in it")


def _private(path: Path, root: Path) -> Finding:
    mode = path.stat().st_mode
    name = str(path.relative_to(root))
    if mode & OTHERS:
        return Finding(name, WARNING, f"other users can read it ({stat.filemode(mode)})", f"chmod go= {path}")
    return Finding(name, OK, f"only you can read it ({stat.filemode(mode)})")


def _tracked(root: Path) -> list[str]:
    """Return the secret files that git would publish."""
    command = ["git", "ls-files", "--", ".env", "secrets"]
    try:
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return []
    harmless = (".example", "README.md", ".gitkeep", ".gitignore")
    return [name for name in result.stdout.splitlines() if not name.endswith(harmless)]

"""Look at everything a start needs, and change nothing."""

from __future__ import annotations

import stat
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench.cli.backends import choice
from workbench.cli.finding import BAD, GOOD, POOR, Finding
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console

    from workbench.cli.backends.choice import Place
    from workbench.cli.settings import Settings

COLOURS = {GOOD: "green", POOR: "yellow", BAD: "red"}
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Diagnosis:
    """All findings."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether a start can succeed."""
        return all(finding.verdict != BAD for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return them for scripts."""
        return {"ok": self.ok, "findings": [asdict(finding) for finding in self.findings]}

    def to_text(self, console: Console) -> None:
        """Print a table, each trouble with its fix."""
        for finding in self.findings:
            console.print(f"[{COLOURS[finding.verdict]}]{finding.verdict:<8}[/] {finding.subject:<21}", end=" ")
            console.print(finding.found, markup=False)
            if finding.fix:
                console.print(f"{'':<30} fix: {finding.fix}", markup=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)


def run(args: argparse.Namespace) -> Diagnosis:
    """Look at everything."""
    return diagnose(lambda: choice.chosen(args))


def diagnose(choose: Callable[[], Place]) -> Diagnosis:
    """Look at the settings, at what the place needs, and at secrets."""
    findings = [Finding("Python", GOOD, f"{sys.version.split()[0]} in {sys.prefix}")]
    try:
        where = choose()
    except UserError as error:
        findings.append(Finding("settings", BAD, f"{error.what}: {error.why}", error.fix))
    else:
        findings.append(Finding("mode", GOOD, where.settings.mode))
        findings += [*_settings(where.settings), *where.look(), *_secrets(where.settings)]
    return Diagnosis(tuple(findings))


def _settings(settings: Settings) -> Iterator[Finding]:
    file = settings.root / ".env"
    yield Finding(".env", GOOD, "is well-formed" if file.is_file() else "there is none: all defaults")
    if ignored := sorted(set(settings.user).intersection(settings.place) - set(settings.ports)):
        changed = [name for name in ignored if settings.user[name] != settings.place[name]]
        if changed:
            yield Finding(".env", POOR, f"{', '.join(changed)}: decided by ./dev, not by you", "remove them")
    for connection in settings.connections:
        yield Finding(connection.conn_id, GOOD, "the emulator" if connection.is_emulator else "REAL, well-formed")


def _secrets(settings: Settings) -> Iterator[Finding]:
    for file in (settings.root / ".env", settings.root / "secrets/google_service_account.json"):
        if file.is_file():
            yield _private(file, settings.root)
    if settings.keys.is_dir() and settings.keys.is_relative_to(settings.root):  # the dev container's are Airflow's
        yield _private(settings.keys, settings.root)
    if tracked := _tracked(settings.root):
        found = f"{', '.join(tracked)} is in git"
        yield Finding("secrets", BAD, found, f"git rm --cached {' '.join(tracked)}, and replace what it held")


def _private(path: Path, root: Path) -> Finding:
    mode = path.stat().st_mode
    name = str(path.relative_to(root))
    if mode & OTHERS:
        return Finding(name, POOR, f"others may read it ({stat.filemode(mode)})", f"chmod go= {path}")
    return Finding(name, GOOD, f"is for you alone ({stat.filemode(mode)})")


def _tracked(root: Path) -> list[str]:
    """Return the secret files that git would publish."""
    command = ["git", "ls-files", "--", ".env", "secrets"]
    try:
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return []
    harmless = (".example", "README.md", ".gitkeep", ".gitignore")
    return [name for name in result.stdout.splitlines() if not name.endswith(harmless)]

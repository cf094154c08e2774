"""Resolve requirements/*.in into the hash-locked requirements/*.txt.

The locks serve Linux x86_64 and aarch64 and macOS arm64 on Python 3.11 (the `environments` of
`pyproject.toml`). They name versions and hashes but no registry, so that a mirror works as well.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from workbench.cli.paths import ROOT
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rich.console import Console

GROUP = "set up"
REQUIREMENTS = ROOT / "requirements"
AIRFLOW_CONSTRAINTS = "constraints-3.0.6.txt"
#: lock -> the versions it must stay within.
WITHIN: dict[str, str | None] = {
    "airflow": AIRFLOW_CONSTRAINTS,
    "dev": "airflow.txt",
    "emulators": None,
    "uv": None,
}
HEADER = "# Made by `./dev lock` from {name}.in: edit that file, not this one.\n"

_MARKER = re.compile(r"^(?P<requirement>[A-Za-z0-9_.\[\]-]+==\S+) ; (?P<marker>.+?) \\$", re.MULTILINE)


@dataclass(frozen=True)
class Locked:
    """What was written.

    :ivar packages: lock -> number of packages.
    """

    packages: dict[str, int]
    ok: bool = True

    def to_json(self) -> dict[str, object]:
        """Return it for scripts."""
        return asdict(self)

    def to_text(self, console: Console) -> None:
        """Print one line for each lock."""
        for name, count in self.packages.items():
            console.print(f"requirements/{name}.txt  {count} packages")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--upgrade", action="store_true", help="upgrade to the newest versions that the constraints allow"
    )


def run(args: argparse.Namespace) -> Locked:
    """Write all locks."""
    return Locked({name: compile_lock(name, upgrade=args.upgrade) for name in WITHIN})


def compile_lock(name: str, *, upgrade: bool = False, folder: Path = REQUIREMENTS) -> int:
    """Resolve one `.in` file and write its lock.

    :return: the number of locked packages.
    :raises UserError: where nothing satisfies the inputs, or no registry answers.
    """
    command = [sys.executable, "-m", "uv", "pip", "compile", f"{name}.in", f"--output-file={name}.txt"]
    command += ["--quiet", "--no-header"]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-annotate"]
    if within := WITHIN[name]:
        command += ["--constraints", within]
    if upgrade:
        command.append("--upgrade")
    lock = folder / f"{name}.txt"
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        fix = f"relax the versions in requirements/{name}.in, then ./dev lock"
        raise UserError(f"requirements/{name}.in cannot be resolved", result.stderr.strip(), fix, "lock-failed")
    text = HEADER.format(name=name) + without_common_marker(lock.read_text())
    lock.write_text(text)
    return len(re.findall(r"^\S+==", text, re.MULTILINE))


def without_common_marker(text: str) -> str:
    """Remove the marker that only says "on a supported platform" from every line that has it.

    uv repeats the project's `environments` on each requirement; the markers that stay name real differences.
    """
    markers = Counter(match["marker"] for match in _MARKER.finditer(text))
    if not markers:
        return text
    common = markers.most_common(1)[0][0]
    return text.replace(f" ; {common} \\", " \\")

"""Show the services' own logs."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from devkit import services
from devkit.errors import UserError
from devkit.settings import Settings

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

POLL = 0.3
#: A log's end is looked for within this much of it.
NEAR = 1 << 20


@dataclass(frozen=True)
class Logged:
    """The last lines of each service."""

    lines: dict[str, list[str]]
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        """Give them by service."""
        return {"ok": self.ok, "logs": self.lines}

    def to_text(self, console: Console) -> None:
        """Print them; with more than one service, each line bears its name."""
        for name, lines in self.lines.items():
            for line in lines:
                console.out(_labelled(name, line, alone=len(self.lines) == 1))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("service", nargs="*", help=f"{', '.join(services.SERVICES)}; all of them by default")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("-n", "--lines", type=int, default=40, metavar="N", help="how many of the last lines (40)")


def run(args: argparse.Namespace) -> Logged:
    """Read the ends of the logs; with `-f`, go on printing."""
    names = args.service or list(services.SERVICES)
    for name in names:
        if name not in services.SERVICES:
            raise UserError(f"there is no service {name}", f"they are {', '.join(services.SERVICES)}", "./dev logs")
    settings = Settings.load()
    files = {name: settings.logs / f"{name}.log" for name in names}
    if not any(file.is_file() for file in files.values()):
        raise UserError("there is no log yet", f"nothing has been started in {settings.root}", "./dev up")
    logged = Logged({name: last_lines(file, args.lines) for name, file in files.items()})
    if args.follow:
        ends = {name: file.stat().st_size if file.is_file() else 0 for name, file in files.items()}
        logged.to_text(Console())
        follow(files, ends)
    return logged


def last_lines(file: Path, count: int) -> list[str]:
    """Give the last lines of a log, whatever its size."""
    if not file.is_file():
        return []
    with file.open("rb") as stream:
        stream.seek(-min(NEAR, file.stat().st_size), io.SEEK_END)
        return stream.read().decode(errors="replace").splitlines()[-count:] if count > 0 else []


def follow(files: dict[str, Path], ends: dict[str, int]) -> None:
    """Print what is added, for ever; a rotated log is read from its new beginning."""
    while True:
        for name, file in files.items():
            size = file.stat().st_size if file.is_file() else 0
            if size < ends[name]:
                ends[name] = 0
            if size == ends[name]:
                continue
            with file.open("rb") as stream:
                stream.seek(ends[name])
                whole, newline, _ = stream.read().rpartition(b"\n")
            ends[name] += len(whole + newline)
            for line in whole.decode(errors="replace").splitlines():
                print(_labelled(name, line, alone=len(files) == 1), flush=True)
        time.sleep(POLL)


def _labelled(name: str, line: str, *, alone: bool) -> str:
    return line if alone else f"{name:<14} | {line}"

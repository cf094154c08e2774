"""Show the logs of services; -f follows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from workbench.cli import services
from workbench.cli.backends import choice
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse

GROUP = "run"


@dataclass(frozen=True)
class Logged:
    """The last lines of each service."""

    lines: dict[str, list[str]]
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return them by service."""
        return {"ok": self.ok, "logs": self.lines}

    def to_text(self, console: Console) -> None:
        """Print them; with more than one service, each line starts with its name."""
        for name, lines in self.lines.items():
            for line in lines:
                console.out(_labelled(name, line, alone=len(self.lines) == 1))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    parser.add_argument("service", nargs="*", help=f"{', '.join(services.SERVICES)}; default: all")
    parser.add_argument("-f", "--follow", action="store_true", help="follow until Ctrl-C")
    parser.add_argument(
        "-n", "--lines", type=int, default=40, metavar="N", help="number of lines to show (default: 40)"
    )


def run(args: argparse.Namespace) -> Logged:
    """Read the ends of the logs; with `-f`, print what is added."""
    names = args.service or list(services.SERVICES)
    for name in names:
        if name not in services.SERVICES:
            why = f"the services are {', '.join(services.SERVICES)}"
            raise UserError(f"the service {name} does not exist", why, "./dev logs", "service-unknown")
    backend = choice.choose(args)
    found = {name: backend.lines(name, args.lines) for name in names}
    if all(lines is None for lines in found.values()):
        why = f"nothing has been started in {backend.settings.root}"
        raise UserError("there are no logs yet", why, "./dev up", "log-missing")
    logged = Logged({name: lines or [] for name, lines in found.items()})
    if args.follow:
        logged.to_text(Console())
        for name, line in backend.follow(names):
            print(_labelled(name, line, alone=len(names) == 1), flush=True)
    return logged


def _labelled(name: str, line: str, *, alone: bool) -> str:
    return line if alone else f"{name:<14} | {line}"

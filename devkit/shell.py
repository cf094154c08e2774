"""Open a shell, or run one command, with the environment that Airflow's processes have."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from devkit.errors import UserError
from devkit.settings import SHELL_MARK, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="-- COMMAND",
        help="run this instead: ./dev shell -- airflow dags list",
    )


def run(args: argparse.Namespace) -> NoReturn:
    """Become the shell or the command; its exit status is ours."""
    settings = Settings.load()
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    environment = shell_environment(settings)
    if not words:
        words = [os.environ.get("SHELL") or "/bin/sh"]
        print(f"Airflow's environment of {settings.root}; exit or Ctrl-D leaves it.", file=sys.stderr)
    if not shutil.which(words[0], path=environment["PATH"]):
        raise UserError(f"there is no command {words[0]}", "it is not on PATH", "./dev shell -- airflow --help")
    os.execvpe(words[0], words, environment)  # noqa: S606 the user's own command, as typed


def shell_environment(settings: Settings) -> Mapping[str, str]:
    """Give the environment, with the tools first on PATH and a mark that tells it from the user's own wishes."""
    path = os.pathsep.join([str(Path(sys.executable).parent), settings.inherited.get("PATH", os.defpath)])
    exported = [name for name, value in settings.environment.items() if settings.inherited.get(name) != value]
    return {**settings.environment, "PATH": path, SHELL_MARK: ",".join(exported)}

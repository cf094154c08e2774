"""Choose the backend that a command works on."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.cli.paths import ROOT
from workbench.cli.settings import DEVCONTAINER, DOCKER, MODES, NATIVE, Settings
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse

    from workbench.cli.backends.protocol import Backend

#: Set in the image of the dev container.
IMAGE, DEVCONTAINER_IMAGE = "WORKBENCH_IMAGE", "workspace"


def add_mode(parser: argparse.ArgumentParser) -> None:
    """Declare `--mode`."""
    parser.add_argument(
        "--mode",
        choices=MODES,
        help="the backend; default: the one that is running, else WORKBENCH_MODE, else Docker if it answers",
    )


def choose(args: argparse.Namespace, *, starting: bool = False) -> Backend:
    """Return the backend that a command works on.

    `--mode` decides, then which one runs already, then WORKBENCH_MODE, then whether Docker answers.

    :param starting: whether the command starts the environment where it does not run.
    :raises UserError: where that would start a second environment.
    """
    settings = Settings.load(ROOT)
    if os.environ.get(IMAGE) == DEVCONTAINER_IMAGE:
        return in_devcontainer(args, settings)
    backends = {mode: make(settings, mode) for mode in MODES}
    if args.mode and not starting:
        return backends[args.mode]
    running = next((mode for mode in MODES if backends[mode].runs()), None)
    wanted = args.mode or settings.wanted_mode
    if starting and running and wanted not in {"", running}:
        raise UserError(
            f"the environment is already running, in {running} mode",
            f"a second one in {wanted} mode would need the same ports",
            f"./dev down first, or leave {'--mode' if args.mode else 'WORKBENCH_MODE'} out",
            "already-running",
        )
    return backends[running or wanted or default(settings)]


def in_devcontainer(args: argparse.Namespace, settings: Settings) -> Backend:
    """Return the backend of a terminal in the dev container."""
    if args.mode:
        raise UserError(
            f"{args.mode} mode is not available inside the dev container",
            "the environment of the dev container is already running",
            "leave --mode out",
            "mode-unavailable",
        )
    return make(settings, DEVCONTAINER)


def make(settings: Settings, mode: str) -> Backend:
    """Return a backend by name, whether or not it can work here."""
    # Each is imported only where it is needed: `docker` loads no supervisor, `native` nothing of Docker's.
    settings = replace(settings, mode=mode)
    if mode == DOCKER:
        from workbench.cli.backends.docker.backend import Docker  # noqa: PLC0415 as above

        return Docker(settings)
    if mode == DEVCONTAINER:
        from workbench.cli.backends.devcontainer import DevContainer  # noqa: PLC0415 as above

        return DevContainer(settings)
    from workbench.cli.backends.native.backend import Native  # noqa: PLC0415 as above

    return Native(settings)


def default(settings: Settings) -> str:
    """Return docker where a daemon answers, else native."""
    from workbench.cli.backends.docker import engine  # noqa: PLC0415 as above

    return DOCKER if engine.answers(settings) else NATIVE

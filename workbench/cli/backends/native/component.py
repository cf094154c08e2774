"""`python -m ...component NAME`: what supervisor runs; it clears the way and becomes the service."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from workbench.cli import services
from workbench.cli.backends.native import airflow_init, postgres
from workbench.cli.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def main(name: str, *arguments: str) -> None:
    """Become one service; this process's number stays the service's."""
    settings = Settings.load()
    if name == "supervisord":
        from workbench.cli.backends.native import forking  # noqa: PLC0415 it imports this module

        record = {"pid": os.getpid(), "started": psutil.Process().create_time()}
        (settings.run / "supervisor.json").write_text(json.dumps(record), encoding="utf-8")
        forking.main(*arguments)
        return
    end_predecessor(settings.run / "components" / f"{name}.pid")
    if name == services.POSTGRES:
        postgres.end_stale_server(settings)
    command = services.command(name, settings)
    os.execvp(command[0], command)  # noqa: S606 there is no shell in this


def run_here(name: str) -> int:
    """Run one of Airflow's services in this process, into which Airflow has been loaded.

    :return: its exit status.
    """
    from workbench.airflow import launcher  # noqa: PLC0415 Airflow itself

    end_predecessor(Settings.load().run / "components" / f"{name}.pid")
    if name == services.INIT:
        return airflow_init.main()
    sys.argv = ["airflow", name, *services.FLAGS.get(name, ())]
    launcher.main()
    return 0


def end_predecessor(file: Path) -> None:
    """End what a crashed predecessor left: its workers and tasks would stay for ever, or run twice.

    supervisor makes each service the leader of a process group, whose number is not given to another process
    while one member lives.
    """
    with suppress(OSError, ValueError):
        session, group = map(int, file.read_text(encoding="utf-8").split())
        # A living leader is a stranger with the same number; another session's members have been ended by `up`.
        if session == os.getsid(0) and not psutil.pid_exists(group):
            os.killpg(group, signal.SIGKILL)
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{os.getsid(0)} {os.getpid()}", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

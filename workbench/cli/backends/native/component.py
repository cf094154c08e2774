"""`python -m ...component NAME`: what supervisor runs; it ends what a predecessor left and becomes the service."""

from __future__ import annotations

import json
import os
import sys

import psutil

from workbench.cli import services
from workbench.cli.backends.native import postgres, predecessor
from workbench.cli.paths import ROOT
from workbench.cli.services import FLAGS
from workbench.cli.settings import HOST, Settings

#: `airflow` that starts sooner and holds less; plain `airflow` works as well.
AIRFLOW = "workbench.airflow.launcher"


def main(name: str, *arguments: str) -> None:
    """Become one service; this process's number stays the service's."""
    settings = Settings.load(ROOT)
    if name == "supervisord":
        from workbench.cli.backends.native import forking  # noqa: PLC0415 only supervisord needs supervisor's modules

        record = {"pid": os.getpid(), "started": psutil.Process().create_time()}
        (settings.run / "supervisor.json").write_text(json.dumps(record), encoding="utf-8")
        forking.main(*arguments)
        return
    predecessor.end(settings, name)
    if name == services.POSTGRES:
        postgres.end_stale_server(settings)
    words = command(name, settings)
    os.execvp(words[0], words)  # noqa: S606 there is no shell in this


def command(service: str, settings: Settings) -> list[str]:
    """Return the command that runs a service in the foreground."""
    if service == services.POSTGRES:
        return postgres.command(settings)
    if service == services.EMULATORS:
        ports = settings.ports
        words = [*settings.emulators_python, "serve", "--data", str(settings.run / "emulators")]
        words += ["--keys", str(settings.keys), "--host", HOST, "--port", str(ports["EMULATORS_PORT"])]
        words += ["--s3-port", str(ports["EMULATORS_S3_PORT"])]
        return [*words, "--snowflake-port", str(ports["EMULATORS_SNOWFLAKE_PORT"])]
    if service == services.INIT:
        return [sys.executable, "-m", "workbench.cli.backends.native.airflow_init"]
    return [sys.executable, "-m", AIRFLOW, service, *FLAGS.get(service, ())]


if __name__ == "__main__":
    main(*sys.argv[1:])

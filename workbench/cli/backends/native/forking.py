"""A supervisord that has Airflow loaded and forks Airflow's services from itself.

Importing Airflow takes two seconds of a processor and a hundred MiB, of each of its four components and of the
migration. Here it is done once: the services share the time and, until they write to them, the pages. Where it fails,
a Python is started for each service.

Overrides two methods of supervisor's `ServerOptions`: `check_execv_args`, called before the fork, and `execve`,
called after it in the child.
"""

from __future__ import annotations

import atexit
import functools
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from setproctitle import setproctitle
from supervisor import supervisord
from supervisor.options import ServerOptions

from workbench.cli import services
from workbench.cli.backends.native import airflow_init, predecessor
from workbench.cli.paths import ROOT
from workbench.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORKED = (services.INIT, *services.COMPONENTS)
#: What supervisord handles and a service must not inherit.
SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)


def main(config: str) -> None:
    """Run supervisord until it is asked to end."""
    options = ForkingOptions()
    options.realize(["-n", "-c", config])
    options.first, options.test = True, False
    supervisord.go(options)
    options.close_httpservers()
    options.close_logger()


class ForkingOptions(ServerOptions):  # type: ignore[misc] # supervisor is not typed
    """supervisor's options, which are also its view of the operating system."""

    def check_execv_args(self, filename: str, argv: Sequence[str], state: Any) -> None:
        """Load Airflow before the first service that needs it is forked."""
        super().check_execv_args(filename, argv, state)
        if argv[-1] in FORKED:
            preload()

    def execve(self, filename: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Become the service, in the child."""
        if argv[-1] in FORKED and preload():
            become(argv[-1], env)
        super().execve(filename, argv, env)


@functools.cache
def preload() -> bool:
    """Import what all of Airflow's services need, and no module of this checkout that users edit.

    :return: whether it worked; if not, each service starts by itself and writes into its own log what is wrong.
    """
    if sys.platform != "linux":  # macOS' libraries do not survive a fork without an exec
        return False
    try:
        from workbench.airflow import launcher  # noqa: PLC0415 it is Airflow that takes the time

        return launcher.preload()
    except Exception:  # noqa: BLE001 a setting that Airflow refuses, for one
        traceback.print_exc()
        return False


def run_here(service: str) -> int:
    """Run one of Airflow's services in this process, into which Airflow has been loaded.

    :return: its exit status.
    """
    from workbench.airflow import launcher  # noqa: PLC0415 Airflow itself

    predecessor.end(Settings.load(ROOT), service)
    if service == services.INIT:
        return airflow_init.main()
    sys.argv = ["airflow", service, *services.FLAGS.get(service, ())]
    launcher.main()
    return 0


def become(service: str, env: Mapping[str, str]) -> NoReturn:
    """Run a service to its end, as if it had been started by itself."""
    status = 1
    try:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        setproctitle(f"airflow {service}")  # before the environment changes: it writes over it
        os.environ.clear()
        os.environ.update(env)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr] # they are files, not what a test puts there
        status = run_here(service)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 nothing may reach supervisord's frames
        traceback.print_exc()
    finally:
        # What an interpreter does at its end, but for collecting supervisord's objects.
        try:
            atexit._run_exitfuncs()  # noqa: SLF001 there is no public way
        finally:
            sys.stdout.flush()
            os._exit(status)

"""The registry of the emulators that share the first port: one module each in `services/`.

A module is registered by its `EMULATOR`, under the module's name. Its routes, its faults and the check that its
connection is in `compose/emulators.env` follow from that. S3 and Snowflake have ports of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from workbench.emulators import services
from workbench.emulators.faults import plain_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.responses import Response
    from starlette.routing import Route

    from workbench.emulators.faults import Fault
    from workbench.emulators.slack_log import MessageLog


@dataclass(frozen=True)
class Context:
    """What an emulator may use.

    :param data: the data directory; an emulator keeps its state in a folder of its own name in it.
    :param keys: the folder with the throwaway keys.
    :param messages: the log of Slack messages.
    """

    data: Path
    keys: Path
    messages: MessageLog


@dataclass(frozen=True)
class Emulator:
    """An emulator on the first port.

    :param connection: the id of the connection in `compose/emulators.env` that points at it.
    :param prefix: how all of its paths begin.
    :param routes: makes its routes, once a process.
    :param failure: makes the service's own response to a fault of kind `limit` or `error`; plain text by default.
    """

    connection: str
    prefix: str
    routes: Callable[[Context], list[Route]]
    failure: Callable[[Fault], Response] = plain_failure


def emulators() -> dict[str, Emulator]:
    """Return the registered emulators by name."""
    names = sorted(module.name for module in iter_modules(services.__path__))
    return {name: import_module(f"{services.__name__}.{name}").EMULATOR for name in names}

"""Fail a task at once when it asks for a connection to emulators that are down, instead of after a long wait."""

from __future__ import annotations

import os
import urllib.request

from workbench.emulator_check import is_emulator

#: Where the emulators answer; set by `compose/emulators.env`.
URL = "EMULATORS_URL"
TIMEOUT_SECONDS = 5


class EmulatorsDownError(Exception):
    """A connection points at the emulators, which do not answer."""

    def __init__(self, conn_id: str, why: str) -> None:
        super().__init__(f"{conn_id} points at the emulators, which are not running ({why}): run ./dev up")
        self.conn_id, self.why = conn_id, why


#: What tasks of this process were refused.
refused: list[EmulatorsDownError] = []


def why_down() -> str | None:
    """Return why the emulators do not answer; None where they do, or where their address is not set."""
    url = os.environ.get(URL)
    if not url:
        return None
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/healthz", timeout=TIMEOUT_SECONDS):
            return None
    except OSError as error:  # what urllib raises is one
        return f"{url}: {getattr(error, 'reason', error)}"


def refuse_when_down(conn_id: str) -> None:
    """Look at a connection before a task gets it.

    :raises EmulatorsDownError: where nothing answers at its address.
    """
    value = os.environ.get(f"AIRFLOW_CONN_{conn_id.upper()}", "")
    if is_emulator(value, os.environ.get(URL, "")) and (why := why_down()):
        refused.append(EmulatorsDownError(conn_id, why))
        raise refused[-1]

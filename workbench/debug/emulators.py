"""Say that the emulators are down when a task asks for a connection that points at them, and not by a long wait."""

from __future__ import annotations

import os
import urllib.request

#: Each connection to an emulator has one of these; no real service accepts them.
MARKS = ('"offline"', '"xoxb-offline"')
#: Where they answer; set by `compose/emulators.env`.
URL = "EMULATORS_URL"
PATIENCE = 5


class EmulatorsDownError(Exception):
    """A connection points at the emulators, which do not answer."""

    def __init__(self, conn_id: str, why: str) -> None:
        super().__init__(f"{conn_id} points at the emulators, which are not running ({why}): ./dev up")
        self.conn_id, self.why = conn_id, why


#: What tasks of this process were refused.
refused: list[EmulatorsDownError] = []


def why_down() -> str | None:
    """Return why the emulators do not answer; None where they do, or where nobody says where they are."""
    url = os.environ.get(URL)
    if not url:
        return None
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/healthz", timeout=PATIENCE):
            return None
    except OSError as error:  # what urllib raises is one
        return f"{url}: {getattr(error, 'reason', error)}"


def is_emulator(conn_id: str) -> bool:
    """Whether the environment points a connection at the emulators."""
    value = os.environ.get(f"AIRFLOW_CONN_{conn_id.upper()}", "")
    url = os.environ.get(URL)
    return any(mark in value for mark in MARKS) or bool(url and url in value)


def refuse_when_down(conn_id: str) -> None:
    """Look at a connection before a task gets it.

    :raises EmulatorsDownError: where it leads nowhere.
    """
    if is_emulator(conn_id) and (why := why_down()):
        refused.append(EmulatorsDownError(conn_id, why))
        raise refused[-1]

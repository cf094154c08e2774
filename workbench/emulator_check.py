"""The one definition of a connection that points at an emulator; it imports nothing of the project."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit

#: The only passwords that the emulators accept; no real service does.
PASSWORDS = frozenset({"offline", "xoxb-offline"})
#: What a connection without a password, as Google's with its key file, has in its extra: the address.
ADDRESS = "api_endpoint"


def is_emulator(value: str, emulators_url: str) -> bool:
    """Return whether a connection points at the emulators.

    With a password of the user's own it does not, whatever its address: then nothing is done unasked.

    :param value: the connection as in `AIRFLOW_CONN_*`, JSON or a URI.
    :param emulators_url: their address, EMULATORS_URL; empty where it is not known.
    """
    password, extra = _read(value)
    if password:
        return password in PASSWORDS
    return bool(emulators_url) and str(extra.get(ADDRESS, "")).rstrip("/") == emulators_url.rstrip("/")


def _read(value: str) -> tuple[str, dict[str, Any]]:
    """Return a connection's password and extra, both empty where it is not a valid connection."""
    try:
        if not value.startswith("{"):
            return unquote(urlsplit(value).password or ""), {}
        connection = json.loads(value)
        extra = connection.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
    except ValueError:
        return "", {}
    return str(connection.get("password", "")), extra if isinstance(extra, dict) else {}

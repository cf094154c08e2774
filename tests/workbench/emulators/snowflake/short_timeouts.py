"""The Snowflake emulator alone, with timeouts of seconds instead of minutes; run by the emulators' own Python.

usage: short_timeouts.py DATA KEYS PORT
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from workbench.emulators.snowflake import app, create_app, locks, sessions

locks.IDLE_TRANSACTION_SECONDS = 0.5
app.RESPONSE_SECONDS = 0.5
app.EXPIRE_SECONDS = 0.2
sessions.IDLE_SESSION_SECONDS = 4.0

data, keys, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
uvicorn.run(
    create_app(data, "http://127.0.0.1:9"),
    host="127.0.0.1",
    port=port,
    log_level="warning",
    ssl_certfile=str(keys / "server.pem"),
    ssl_keyfile=str(keys / "server.key"),
)

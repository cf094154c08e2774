"""`python -m workbench.emulators keys|serve|sample`."""

from __future__ import annotations

import logging
import os
import sys

from workbench.emulators.cli import main

status = main()
logging.shutdown()
sys.stdout.flush()
sys.stderr.flush()
# Everything is closed and on the disk. The interpreter's normal exit would print a page of DuckDB errors about the
# threads of clients that are still connected.
os._exit(status)

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
# Everything is closed and on the disk. The interpreter's own way out would end in a page of DuckDB's complaints about
# the threads of clients that are still connected.
os._exit(status)

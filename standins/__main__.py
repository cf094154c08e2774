"""`python -m standins keys|serve|sample`."""

from __future__ import annotations

import sys

from standins.cli import main

sys.exit(main())

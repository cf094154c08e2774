"""Time the way to healthy: `./dev up` beside the same Airflow with stock settings, by turns on the same machine.

A first start makes the database too. A later start begins with PostgreSQL and ends when `/api/v2/monitor/health` calls
all four components healthy. `./dev up` also starts the emulators in that time.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import TYPE_CHECKING

from stack import prepared, table, take_precedence

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Measure by turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="later starts of each sort (3); the median counts")
    args = parser.parse_args()
    take_precedence()
    later: dict[str, list[float]] = {"ours": [], "stock": []}
    with prepared("ours") as ours, prepared("stock") as stock:
        for _ in range(args.runs):
            for stack in (ours, stock):
                later[stack.kind].append(seconds(stack.start))
                print(f"{stack.kind}: {later[stack.kind][-1]:.1f} s", flush=True)
                stack.stop()
        first = (ours.first_start, stock.first_start)
    table(
        "seconds to healthy", {"first start": first, "later start": (median(later["ours"]), median(later["stock"]))}, 1
    )


def seconds(job: Callable[[], None]) -> float:
    """Time one call."""
    began = time.monotonic()
    job()
    return time.monotonic() - began


if __name__ == "__main__":
    main()

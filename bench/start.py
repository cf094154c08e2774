"""Time the way to healthy: the workbench beside stock settings, by turns on the same machine.

From starting the four components on a database that is there until `/api/v2/monitor/health` calls all of them
healthy. CPU seconds tell more than wall time on a machine that has other work.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from stack import COMPONENTS, Stack, prepared, table, until


def main() -> None:
    """Measure by turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="starts of each sort (3); the median counts")
    args = parser.parse_args()
    times: dict[str, list[float]] = {"ours": [], "stock": []}
    cpu: dict[str, list[float]] = {"ours": [], "stock": []}
    with prepared("ours") as ours, prepared("stock") as stock:
        for _ in range(args.runs):
            for stack in (ours, stock):
                seconds, worked = start(stack)
                print(f"{stack.kind}: {seconds:.1f} s, {worked:.1f} CPU s", flush=True)
                times[stack.kind].append(seconds)
                cpu[stack.kind].append(worked)
    rows = {
        "seconds to healthy": (median(times["ours"]), median(times["stock"])),
        "CPU seconds to healthy": (median(cpu["ours"]), median(cpu["stock"])),
    }
    table("start", rows, 1)


def start(stack: Stack) -> tuple[float, float]:
    """Start and stop the components once.

    :return: seconds, CPU seconds.
    """
    stack.query("DELETE FROM job RETURNING id")  # else a former run's heartbeats look healthy
    before = stack.cpu_seconds()
    began = time.monotonic()
    stack.start_components()
    until(stack.healthy, "health", 300)
    seconds, worked = time.monotonic() - began, stack.cpu_seconds() - before
    stack.stop(*COMPONENTS)
    return seconds, worked


if __name__ == "__main__":
    main()

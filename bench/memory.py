"""Weigh the workbench beside stock settings: idle, with eight tasks running, after many tasks.

The proportional set size (PSS) of PostgreSQL, the four components with all their children and the supervisor: a page
that processes share is counted once.
"""

from __future__ import annotations

import argparse
import time

from stack import EMULATORS, Stack, running, table, until

SETTLE = 15


def main() -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=80, help="how many short tasks to run (80)")
    parser.add_argument("--only", choices=["ours", "stock"], help="leave the other out")
    args = parser.parse_args()
    kinds = [args.only] if args.only else ["ours", "stock"]
    results = {kind: measure(kind, args.tasks) for kind in kinds}
    rows = {name: (results.get("ours", {}).get(name, 0), results.get("stock", {}).get(name, 0)) for name in ORDER}
    table("MiB of memory (PSS); CPU", rows, 1)


ORDER = (
    "idle",
    "idle with the emulators",
    "8 tasks running",
    "after many tasks",
    "after many tasks, above idle",
    "idle CPU, percent of a core",
    "CPU seconds of the many tasks",
)


def measure(kind: str, tasks: int) -> dict[str, float]:
    """Run one sort through everything."""
    found: dict[str, float] = {}
    with running(kind) as stack:
        stack.unpause("bench_wide", "bench_many")
        time.sleep(SETTLE)
        found["idle"] = weigh(stack, f"{kind}: idle")
        found["idle with the emulators"] = found["idle"] + stack.memory().get(EMULATORS, 0)
        began, cpu = time.monotonic(), stack.cpu_seconds()
        time.sleep(20)
        found["idle CPU, percent of a core"] = 100 * (stack.cpu_seconds() - cpu) / (time.monotonic() - began)
        run = stack.trigger("bench_wide")
        until(lambda: stack.running_tasks() == 8, "eight tasks", 120, every=0.5)
        time.sleep(10)
        found["8 tasks running"] = weigh(stack, f"{kind}: 8 tasks running")
        until(lambda: stack.succeeded(run), "the end of the eight", 180, every=0.5)
        cpu = stack.cpu_seconds()
        run = stack.trigger("bench_many", tasks=tasks)
        until(lambda: stack.succeeded(run), f"{tasks} tasks", 600, every=0.5)
        time.sleep(SETTLE)
        found["CPU seconds of the many tasks"] = stack.cpu_seconds() - cpu
        found["after many tasks"] = weigh(stack, f"{kind}: after {tasks} tasks")
        found["after many tasks, above idle"] = found["after many tasks"] - found["idle"]
    return found


def weigh(stack: Stack, what: str) -> float:
    """Print the parts and give the sum."""
    parts = stack.memory()
    emulators = parts.pop(EMULATORS, 0)
    total = sum(parts.values())
    print(f"{what}: {total:.0f} MiB = " + ", ".join(f"{name} {mib:.0f}" for name, mib in parts.items()))
    if emulators:
        print(f"    beside it the emulators: {emulators:.0f} MiB", flush=True)
    return total


if __name__ == "__main__":
    main()

"""Time the hand-over from a producer's end to its consumer's first task: the workbench beside stock settings.

Both run side by side and take turns, so that whatever else the machine does hits both. A producer's task ends at any
moment of the scheduler's second. The times are those that Airflow itself records: `end_date` of the producer's task
and `start_date` of the consumer's.
"""

from __future__ import annotations

import argparse
import time
from statistics import mean, median

from stack import Stack, running, table, until

HAND_OVER = """
    SELECT consumer.start_date - producer.end_date
    FROM task_instance producer
    JOIN asset_event event ON event.source_run_id = producer.run_id
    JOIN dagrun_asset_event woke ON woke.event_id = event.id
    JOIN dag_run run ON run.id = woke.dag_run_id AND run.state = 'success'
    JOIN task_instance consumer ON consumer.run_id = run.run_id
    WHERE producer.run_id = %s
"""


def main() -> None:
    """Measure by turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15, help="hand-overs of each sort (15)")
    args = parser.parse_args()
    seconds: dict[str, list[float]] = {"ours": [], "stock": []}
    with running("ours") as ours, running("stock") as stock:
        for stack in (ours, stock):
            stack.unpause("bench_producer", "bench_consumer")
            stack.take_precedence()
            hand_over(stack)  # the first one of each pays for imports
        for _ in range(args.runs):
            for stack in (ours, stock):
                took = hand_over(stack)
                print(f"{stack.kind}: {took:.3f} s", flush=True)
                seconds[stack.kind].append(took)
    rows = {name: (count(seconds["ours"]), count(seconds["stock"])) for name, count in COUNTS.items()}
    table("seconds from end to start", rows, 3)


COUNTS = {"median": median, "mean": mean, "best": min, "worst": max}


def hand_over(stack: Stack) -> float:
    """Run the producer once and give the seconds until its consumer began."""
    run = stack.trigger("bench_producer")
    found: list[tuple[object, ...]] = []

    def there() -> bool:
        found[:] = stack.query(HAND_OVER, run) or []
        return bool(found)

    until(there, "the consumer", 120, every=0.25)
    time.sleep(0.5)
    return float(found[0][0].total_seconds())  # type: ignore[attr-defined] # an interval


if __name__ == "__main__":
    main()

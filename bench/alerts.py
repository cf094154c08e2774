"""Time the way from a failure to its message in Slack: the workbench beside a plain callback under stock settings.

Both run side by side, take turns, and post to the same emulator. The time runs from the line that fails, or that kills
its own process, to the moment at which Slack has the message. The peer's callback is `SlackAPIPostOperator` with its
own settings as every task's `on_failure_callback`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import httpx
from stack import Stack, prepared, running, until

if TYPE_CHECKING:
    from collections.abc import Sequence

DAG = "bench_alert"
#: Seconds after which a message that is not there counts as never sent; a multiple of the slowest.
NEVER = 60
#: Kills after which it is clear that a plain callback tells of none.
ENOUGH = 3


def main() -> None:
    """Measure by turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="failures of each sort (20)")
    parser.add_argument("--kills", type=int, default=10, help="killed tasks of each sort (10)")
    parser.add_argument("--only", choices=["ours"], help="without the peer")
    args = parser.parse_args()
    with running("ours") as ours:
        if args.only:
            measure([ours], args.runs, args.kills)
            return
        with prepared("stock") as stock:
            name = "AIRFLOW_CONN_SLACK_API_DEFAULT"
            stock.more[name] = ours.settings.environment[name]  # type: ignore[attr-defined] # the kinds have these
            stock.start()
            measure([ours, stock], args.runs, args.kills)


def measure(stacks: Sequence[Stack], runs: int, kills: int) -> None:
    """Let tasks fail by turns, then let tasks be killed; print what was told and how soon.

    :param stacks: ours first, whose Slack all of them post to.
    """
    url = f"{stacks[0].settings.emulators_url}/slack/messages"  # type: ignore[attr-defined] # ours has it
    for stack in stacks:
        stack.unpause(DAG)
        stack.take_precedence()
        seconds(stack, url, kill=False)  # the first one of each pays for imports
    for title, count, kill in (("an exception", runs, False), ("a kill", kills, True)):
        found: dict[str, list[float | None]] = {stack.kind: [] for stack in stacks}
        for number in range(count):
            for stack in stacks:
                if kill and stack.kind == "stock" and number >= ENOUGH:
                    continue
                found[stack.kind].append(seconds(stack, url, kill=kill))
                print(f"{stack.kind}, {title}: {found[stack.kind][-1]}", flush=True)
        print(f"\n{f'seconds from {title} to the message':<40}{'told':>10}{'median':>10}{'best':>10}{'worst':>10}")
        for kind, times in found.items():
            told = [each for each in times if each is not None]
            figures = [f"{count(told):.2f}" if told else "never" for count in (median, min, max)]
            print(f"{kind:<40}{f'{len(told)} of {len(times)}':>10}" + "".join(f"{each:>10}" for each in figures))
        print(flush=True)


def seconds(stack: Stack, url: str, *, kill: bool) -> float | None:
    """Fail once, and give the seconds until Slack has the message; None where it gets none."""
    moment = Path(stack.folder, "moment")
    run = stack.trigger(DAG, moment=str(moment), kill=kill)
    got: list[float] = []

    def told() -> bool:
        answer = httpx.get(url, trust_env=False, timeout=30).json()
        got[:] = [float(message["ts"]) for message in answer if f"run {run}" in message.get("text", "")]
        return bool(got)

    try:
        until(told, "the message", NEVER, every=0.25)
    except TimeoutError:
        return None
    time.sleep(0.5)
    return round(got[0] - float(moment.read_text()), 3)


if __name__ == "__main__":
    main()

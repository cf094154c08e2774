"""Run the DAGs of a chain in this process, in the debugger's database."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench import debugger
from workbench.airflow import debug_database, debugging
from workbench.chain.conditions import AssetKey, Event, Queue
from workbench.chain.levels import Followed, Outcome, follow
from workbench.debug import emulators
from workbench.debug import run as debug
from workbench.debug.arguments import Request
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.chain.conditions import Wake
    from workbench.chain.request import Beginning


def run(begin: Beginning, first: Request) -> Followed:
    """Run the chain to its end.

    :raises UserError: where the first DAG does not take what it is given, or a DAG cannot be serialized.
    """
    if not begin.dag_id and not begin.events:
        raise UserError("a chain begins with a DAG or an event", "neither is given", "./dev chain DAG, or --dry-run")
    if not first.slack:
        os.environ["AIRFLOW_ALERT_TO"] = "log"
    graph = begin.graph
    live = Live(begin, first)
    sources = [graph.dags[dag_id].source for dag_id in sorted({*graph.in_chains(), *filter(None, [begin.dag_id])})]
    if debugger.attached():  # a person may stand at a breakpoint for longer
        for source in sources:
            debugging.lift_time_limits(source)
    with quiet(), debugger.looking_away():
        debugging.load()
        try:
            debug.prepare(sources)
        except ValueError as error:
            raise UserError(
                "a DAG cannot be serialized, so Airflow would not run it", str(error), "fix the file"
            ) from None
    queue = Queue(graph.conditions())
    events = [_event(debug.pretend(asset.uri, extra), None) for asset, extra in begin.events]
    return follow(begin.wakes(queue, events), queue, live.run, begin.may_run)


@dataclass
class Live:
    """Runs one DAG after the other."""

    begin: Beginning
    first: Request

    def run(self, wake: Wake, number: int) -> Outcome:
        """Run one DAG; what keeps a woken one from running at all fails it alone, and is printed."""
        print(f"\n=== {wake.dag_id}: {', '.join(map(str, wake.causes)) or 'as you asked'}", file=sys.stderr, flush=True)
        dag = self.begin.graph.dags[wake.dag_id].source
        events = [event.row for event in wake.handed] if wake.causes else None
        began = time.monotonic()
        asked = self.first if number == 0 and self.begin.dag_id else Request()
        try:
            run = debug.run_asked(dag, asked, events)
        except Exception as error:
            if isinstance(error, UserError) and (number == 0 or emulators.refused):
                raise
            traceback.print_exc()  # as the scheduler, which goes on with the other DAGs
            return Outcome("", "failed", tasks={"(no run was created)": "failed"})
        print(debug.summary(run), file=sys.stderr, flush=True)
        return Outcome(
            run.run_id,
            str(run.state),
            time.monotonic() - began,  # a run by hand begins, in the database, at its logical date
            tuple(_event(event, number) for event in debug.emitted(run)),
            {one.name: one.state for one in debug_database.ended(run)},
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Airflow's account of what it parses and registers off the terminal."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _event(event: Any, source: int | None) -> Event:
    return Event(AssetKey(event.name, event.uri), event.extra, tuple(sorted(event.aliases)), source, event)

"""Run the DAGs of a chain in this process, in the debugger's database."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench import debugger
from workbench.airflow import debug_database
from workbench.chain.conditions import AssetEvent, AssetKey, EventQueue
from workbench.chain.levels import ChainResult, RunResult, follow
from workbench.debug import emulators
from workbench.debug import run as debug
from workbench.debug.arguments import Request
from workbench.debug.resolve import resolve
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.chain.conditions import TriggeredDag
    from workbench.chain.request import ResolvedRequest


def run(resolved: ResolvedRequest, first: Request) -> ChainResult:
    """Run the chain to its end.

    :param first: what the first DAG's run is given.
    :raises UserError: where the first DAG does not take what it is given, or a DAG cannot be serialized.
    """
    if not resolved.dag_id and not resolved.events:
        raise UserError(
            "a chain starts with a DAG or an event",
            "neither is given",
            "./dev chain DAG, or ./dev chain --dry-run to see all DAGs",
        )
    graph = resolved.graph
    dag_ids = sorted({*graph.with_assets(), *filter(None, [resolved.dag_id])})
    dags = [graph.dags[dag_id].airflow_dag for dag_id in dag_ids]
    with quiet(), debugger.looking_away():
        debug.use_own_database(slack=first.slack)
        try:
            debug.prepare(dags)
        except ValueError as error:
            raise UserError(
                "a DAG cannot be serialized, so Airflow would not run it", str(error), "fix the file"
            ) from None
    queue = EventQueue(graph.conditions())
    events = [_event(debug_database.pretend(asset.uri, extra), None) for asset, extra in resolved.events]
    return follow(resolved.first_level(queue, events), queue, DagRunner(resolved, first).run, resolved.may_run)


@dataclass
class DagRunner:
    """Runs one DAG after the other."""

    resolved: ResolvedRequest
    first: Request

    def run(self, dag: TriggeredDag, number: int) -> RunResult:
        """Run one DAG; where a later one cannot be run at all, print why and return a failed run."""
        title = ", ".join(map(str, dag.triggered_by)) or "hand"
        print(f"\n=== {dag.dag_id}, triggered by {title}", file=sys.stderr, flush=True)
        airflow_dag = self.resolved.graph.dags[dag.dag_id].airflow_dag
        events = [event.row for event in dag.triggering_asset_events] if dag.triggered_by else None
        began = time.monotonic()
        asked = self.first if number == 0 and self.resolved.dag_id else Request()
        try:
            run = debug.execute(resolve(asked, airflow_dag), events)
        except Exception as error:
            if isinstance(error, UserError) and (number == 0 or emulators.refused):
                raise
            traceback.print_exc()  # the other DAGs run on, as with the scheduler
            return RunResult("", "failed", tasks={"(no run was created)": "failed"})
        print(debug.DebugRun.read(run).summary(), file=sys.stderr, flush=True)
        return RunResult(
            run.run_id,
            str(run.state),
            time.monotonic() - began,  # in the database a run by hand begins at its logical date
            tuple(_event(event, number) for event in debug_database.emitted(run)),
            {one.name: one.state for one in debug_database.tasks(run)},
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Airflow logs while it parses and registers DAGs off the terminal."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _event(event: Any, source_run: int | None) -> AssetEvent:
    return AssetEvent(AssetKey(event.name, event.uri), event.extra, tuple(sorted(event.aliases)), source_run, event)

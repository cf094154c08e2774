"""Run the DAGs of a chain in this process, in the debugger's database."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common import debug
from common.airflow_3_0_6 import debug_database
from devkit.chain.conditions import AssetKey, Event
from devkit.chain.waves import Outcome
from devkit.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from devkit.chain.conditions import Wake
    from devkit.chain.dags import Dag


@dataclass
class Live:
    """Runs one DAG after the other.

    :param date: logical date of the first.
    :param conf: of the first.
    """

    dags: Mapping[str, Dag]
    date: datetime | None
    conf: dict[str, Any] | None

    def prepare(self, dag_ids: Iterable[str]) -> None:
        """Make the debugger's database know these DAGs.

        :raises UserError: where one of them cannot be serialized.
        """
        try:
            debug.prepare([self.dags[dag_id].source for dag_id in dag_ids])
        except ValueError as error:
            raise UserError(
                "a DAG cannot be serialized, so Airflow would not run it", str(error), "mend the file"
            ) from None

    def pretend(self, asset: AssetKey, extra: dict[str, Any]) -> Event:
        """Write an event that no task emitted."""
        return _event(debug.pretend(asset.uri, extra), None)

    def run(self, wake: Wake, number: int) -> Outcome:
        """Run one DAG; what keeps it from running at all fails it alone, and is printed."""
        first = number == 0
        print(f"\n=== {wake.dag_id}: {', '.join(map(str, wake.causes)) or 'as you asked'} ===", file=sys.stderr)
        try:
            run = debug.run_once(
                self.dags[wake.dag_id].source,
                self.date if first else None,
                self.conf if first else None,
                events=[event.row for event in wake.handed] if wake.causes else None,
            )
        except Exception as error:  # noqa: BLE001  # as the scheduler, which goes on with the other DAGs
            traceback.print_exc()
            return Outcome("", "failed", tasks={"(the run could not be created)": str(error)})
        ended = debug_database.ended(run)
        return Outcome(
            run.run_id,
            str(run.state),
            (run.end_date - run.start_date).total_seconds() if run.end_date and run.start_date else None,
            tuple(_event(event, number) for event in debug.emitted(run)),
            {task.name: task.state for task in ended},
        )


def _event(event: debug.Event, source: int | None) -> Event:
    return Event(AssetKey(event.name, event.uri), event.extra, tuple(sorted(event.aliases)), source, event)

"""Two DAGs that are chained by an asset, for the debugger's tests: a line to stop at is marked by `stop: NAME`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator, Param, dag, task
from airflow.triggers.base import BaseTrigger, TriggerEvent

from common.utils import task_failure_alert

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MADE = Asset("made")
#: While it is there, tasks that run in the live environment wait.
HOLD = Path(__file__).parent / "hold"


def on_failure(context: Any) -> None:
    """Tell of a failure."""
    said = str(context["exception"])
    task_failure_alert(context)  # stop: callback
    print("told", said)


class Soon(BaseTrigger):
    """A trigger that fires at once."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return how it is made anew."""
        return f"{type(self).__module__}.{type(self).__name__}", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire."""
        fired = "soon"
        await asyncio.sleep(0)
        yield TriggerEvent(fired)  # stop: trigger


class Defer(BaseOperator):
    """An operator that waits in the triggerer."""

    def execute(self, context: Any) -> None:
        """Defer."""
        del context
        self.defer(trigger=Soon(), method_name="resume")

    def resume(self, context: Any, event: str) -> str:
        """Go on."""
        del context
        return event


@dag(schedule=None, params={"size": Param(2, type="integer")}, default_args={"on_failure_callback": on_failure})
def makes() -> None:
    """Emit one event, defer, and fail in one of the mapped tasks."""

    @task(outlets=[MADE])
    def begin(params: Any = None, outlet_events: Any = None) -> list[int]:
        numbers = list(range(params["size"]))
        outlet_events[MADE].extra = {"numbers": len(numbers)}  # stop: body
        return numbers

    @task
    def half(number: int) -> float:
        tenth = number / 10
        if number:
            raise ValueError(f"{number} is one too many")  # stop: mapped
        return tenth

    begun = begin()
    begun >> Defer(task_id="waits")
    half.expand(number=begun)


@dag(schedule=[MADE])
def takes() -> None:
    """Read the events that woke it."""

    @task
    def first() -> int:
        return 41

    @task
    def read(start: int, triggering_asset_events: Any = None, dag_run: Any = None) -> int:
        told = [event.extra for event in triggering_asset_events[MADE]]
        return start + len(told) + bool(dag_run.logical_date)  # stop: events

    read(first())


@dag(schedule=None)
def holds() -> None:
    """Be busy for as long as the test wants it."""

    @task
    def hold() -> None:
        while HOLD.exists():
            time.sleep(0.1)
        over = "over"
        print(over)  # stop: live

    hold()


makes()
takes()
holds()

"""A chain as JSON: for scripts, and from the process that ran it to the one that shows it."""

from __future__ import annotations

from typing import Any

from workbench.chain.conditions import AssetKey, Event, Waiting, Wake
from workbench.chain.levels import Cycle, Followed, Outcome, Step


def to_json(followed: Followed) -> dict[str, Any]:
    """Return runs, events and what is left."""
    return {
        "ok": followed.ok,
        "runs": [
            {
                "wave": step.wave,
                "dag_id": step.dag_id,
                "run_id": step.outcome.run_id,
                "state": step.outcome.state,
                "seconds": step.outcome.seconds,
                "tasks": step.outcome.tasks,
                "woken_by": [_event(event) for event in step.woken_by],
                "handed": [_event(event) for event in step.handed],
                "wrote": [_event(event) for event in step.outcome.wrote],
            }
            for step in followed.steps
        ],
        "waiting": [
            {"dag_id": one.dag_id, "has": [_event(event) for event in one.has], "needs": one.needs}
            for one in followed.waiting
        ],
        "held": [{"dag_id": one.dag_id, "woken_by": [_event(event) for event in one.causes]} for one in followed.held],
        "cycles": [list(cycle.path) for cycle in followed.cycles],
    }


def from_json(record: dict[str, Any]) -> Followed:
    """Read what `to_json` gave."""
    return Followed(
        tuple(
            Step(
                number,
                run["wave"],
                run["dag_id"],
                _events(run["woken_by"]),
                _events(run["handed"]),
                Outcome(run["run_id"], run["state"], run["seconds"], _events(run["wrote"]), run["tasks"]),
            )
            for number, run in enumerate(record["runs"])
        ),
        tuple(Waiting(one["dag_id"], _events(one["has"]), one["needs"]) for one in record["waiting"]),
        tuple(Wake(one["dag_id"], _events(one["woken_by"]), ()) for one in record["held"]),
        tuple(Cycle(tuple(path)) for path in record["cycles"]),
    )


def _event(event: Event) -> dict[str, Any]:
    return {
        "asset": event.asset.name,
        "uri": event.asset.uri,
        "extra": dict(event.extra),
        "aliases": list(event.aliases),
        "source": event.source,
    }


def _events(events: list[dict[str, Any]]) -> tuple[Event, ...]:
    return tuple(
        Event(AssetKey(one["asset"], one["uri"]), one["extra"], tuple(one["aliases"]), one["source"]) for one in events
    )

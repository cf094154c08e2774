"""What a chain would do if every task succeeded and wrote all that it declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.chain.conditions import AssetKey, Event, Queue, Term, Wake
from workbench.chain.levels import Followed, Outcome, follow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workbench.chain.dags import Dag

PLANNED = "planned"


def plan(
    dags: Mapping[str, Dag], first: Sequence[Wake], queue: Queue, may_run: Callable[[str], bool] = lambda _: True
) -> Followed:
    """Follow the declared outlets."""

    def run(wake: Wake, number: int) -> Outcome:
        wrote = tuple(planned_event(term, dags, number) for term in dags[wake.dag_id].writes)
        return Outcome("", PLANNED, wrote=wrote)

    return follow(first, queue, run, may_run)


def planned_event(term: Term, dags: Mapping[str, Dag], source: int | None = None) -> Event:
    """Return the event that an outlet stands for.

    Which assets a task will write through an alias is known only when it does; until then the alias is its own asset.
    """
    if term.kind == "alias":
        return Event(AssetKey(str(term), ""), aliases=(term.name,), source=source)
    return Event(resolve(term, dags), source=source)


def resolve(term: Term, dags: Mapping[str, Dag]) -> AssetKey:
    """Return the asset that a reference means, or the reference itself where no DAG defines it."""
    if term.kind == "asset":
        return AssetKey(term.name, term.uri)
    for dag in dags.values():
        for other in (*dag.writes, *dag.reads):
            known = other.uri == term.uri if term.kind == "uri" else other.name == term.name
            if other.kind == "asset" and known:
                return AssetKey(other.name, other.uri)
    return AssetKey(term.name, term.uri or term.name)

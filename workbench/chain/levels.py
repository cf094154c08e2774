"""Follow a chain level by level: run what is triggered, queue its asset events, see what they trigger.

The same steps make a plan and a real chain; only the function that runs a DAG differs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.chain.conditions import AssetEvent, AssetKey, EventQueue, TriggeredDag, WaitingDag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workbench.chain.dags import Graph


@dataclass(frozen=True)
class RunResult:
    """The end of one DAG run.

    :ivar state: that of the DAG run, or `planned`.
    :ivar emitted: its asset events, oldest first.
    :ivar tasks: task -> state.
    """

    run_id: str
    state: str
    seconds: float | None = None
    emitted: tuple[AssetEvent, ...] = ()
    tasks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ChainRun:
    """One DAG run of a chain.

    :ivar number: counts from 0, in the order of the runs.
    :ivar level: counts from 0, the run that was asked for.
    """

    number: int
    level: int
    dag: TriggeredDag
    result: RunResult

    @property
    def dag_id(self) -> str:
        """The DAG's id."""
        return self.dag.dag_id

    @property
    def causes(self) -> set[int]:
        """The numbers of the runs whose events triggered it."""
        return {event.source_run for event in self.dag.triggered_by if event.source_run is not None}


@dataclass(frozen=True)
class Cycle:
    """A DAG that its own events triggered, directly or through other DAGs.

    :ivar path: DAG, asset, DAG, asset ... and the first DAG again.
    """

    path: tuple[str, ...]

    @property
    def dag_id(self) -> str:
        """The DAG that would run without end."""
        return self.path[0]

    def __str__(self) -> str:
        """Return the path with arrows."""
        return " -> ".join(self.path)


@dataclass(frozen=True)
class ChainResult:
    """A chain that came to its end.

    :ivar excluded: DAGs that were triggered and that `--only` or `--skip` kept from running.
    """

    runs: tuple[ChainRun, ...]
    waiting: tuple[WaitingDag, ...]
    excluded: tuple[TriggeredDag, ...]
    cycles: tuple[Cycle, ...]

    @property
    def ok(self) -> bool:
        """Whether every run succeeded and no cycle was found."""
        return not self.cycles and not any(run.result.state == "failed" for run in self.runs)

    @property
    def first(self) -> tuple[str, ...]:
        """The DAGs of level 0."""
        return tuple(run.dag_id for run in self.runs if run.level == 0)

    @property
    def levels(self) -> int:
        """How many levels the chain has."""
        return 1 + max((run.level for run in self.runs), default=-1)


def follow(
    first: Sequence[TriggeredDag],
    queue: EventQueue,
    run: Callable[[TriggeredDag, int], RunResult],
    may_run: Callable[[str], bool] = lambda _: True,
) -> ChainResult:
    """Run the first DAGs and whatever their events trigger, to the end.

    Each level begins when the one before it is over, and gives each triggered DAG one run with all events that came
    until then. A DAG that its own events trigger is not run again, so there are never more levels than DAGs.

    :param first: what runs first, whether or not events triggered it.
    :param run: runs a DAG; receives the DAG and the number of its run, for the events' source.
    """
    runs: list[ChainRun] = []
    excluded: list[TriggeredDag] = []
    cycles: list[Cycle] = []
    level, triggered = 0, list(first)
    while triggered:
        done = []
        for dag in triggered:
            if not may_run(dag.dag_id):
                excluded.append(dag)
            elif cycle := find_cycle(dag, runs):
                cycles.append(cycle)
            else:
                runs.append(ChainRun(len(runs), level, dag, run(dag, len(runs))))
                done.append(runs[-1])
        queue.add(event for one in done for event in one.result.emitted)
        level, triggered = level + 1, queue.take_triggered()
    return ChainResult(tuple(runs), tuple(queue.waiting()), tuple(excluded), tuple(cycles))


def plan(
    graph: Graph, first: Sequence[TriggeredDag], queue: EventQueue, may_run: Callable[[str], bool] = lambda _: True
) -> ChainResult:
    """Follow a chain in which every task succeeds and updates all its outlets; nothing runs."""

    def run(dag: TriggeredDag, number: int) -> RunResult:
        emitted = []
        for term in graph.dags[dag.dag_id].outlets:
            # Which assets a task writes through an alias is known only when it does: until then the alias is its own.
            is_alias = term.kind == "alias"
            asset = AssetKey(str(term), "") if is_alias else graph.node(term).key
            emitted.append(AssetEvent(asset, aliases=(term.name,) if is_alias else (), source_run=number))
        return RunResult("", "planned", emitted=tuple(emitted))

    return follow(first, queue, run, may_run)


def find_cycle(dag: TriggeredDag, runs: Sequence[ChainRun]) -> Cycle | None:
    """Return the shortest path from an earlier run of this DAG to its new trigger, where there is one."""
    seen: set[int] = set()
    paths: deque[tuple[tuple[AssetEvent, ...], tuple[str, ...]]] = deque([(dag.triggered_by, (dag.dag_id,))])
    while paths:  # breadth first, so the shortest is found first
        events, path = paths.popleft()
        for event in events:
            if event.source_run is None or event.source_run in seen:
                continue
            seen.add(event.source_run)
            run = runs[event.source_run]
            longer = (run.dag_id, event.asset.name, *path)
            if run.dag_id == dag.dag_id:
                return Cycle(longer)
            paths.append((run.dag.triggered_by, longer))
    return None

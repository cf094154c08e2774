"""Follow a chain wave by wave: run what is triggered, take in what it wrote, see what that wakes.

The same steps make a plan and a real chain; only what runs a DAG differs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from workbench.chain.conditions import Event, Queue, Waiting, Wake


@dataclass(frozen=True)
class Outcome:
    """What one run came to.

    :ivar state: that of the DAG run, or `planned`.
    :ivar wrote: its events, oldest first.
    :ivar tasks: task -> state.
    """

    run_id: str
    state: str
    seconds: float | None = None
    wrote: tuple[Event, ...] = ()
    tasks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One run of the chain.

    :ivar number: counts from 0, in order of cause.
    :ivar wave: counts from 0: the run that was asked for.
    """

    number: int
    wave: int
    dag_id: str
    woken_by: tuple[Event, ...]
    handed: tuple[Event, ...]
    outcome: Outcome

    @property
    def causes(self) -> set[int]:
        """The runs whose events woke it."""
        return {event.source for event in self.woken_by if event.source is not None}


@dataclass(frozen=True)
class Cycle:
    """A DAG that its own events woke, through others or not.

    :ivar path: DAG, asset, DAG, asset ... and the first DAG again.
    """

    path: tuple[str, ...]

    @property
    def dag_id(self) -> str:
        """The DAG that would run for ever."""
        return self.path[0]

    def __str__(self) -> str:
        """Return it as it goes round."""
        return " -> ".join(self.path)


@dataclass(frozen=True)
class Followed:
    """A chain to its end.

    :ivar held: DAGs that were triggered and that `--only` or `--skip` kept from running.
    """

    steps: tuple[Step, ...]
    waiting: tuple[Waiting, ...]
    held: tuple[Wake, ...]
    cycles: tuple[Cycle, ...]

    @property
    def ok(self) -> bool:
        """Whether every run succeeded and the chain came to an end."""
        return not self.cycles and not any(step.outcome.state == "failed" for step in self.steps)

    @property
    def roots(self) -> tuple[str, ...]:
        """The DAGs that it began with."""
        return tuple(step.dag_id for step in self.steps if step.wave == 0)


def follow(
    first: Sequence[Wake],
    queue: Queue,
    run: Callable[[Wake, int], Outcome],
    may_run: Callable[[str], bool] = lambda _: True,
) -> Followed:
    """Run the first DAGs and whatever their events wake, to the end.

    Each wave begins when the one before it is over, and gives each woken DAG one run with all events that came until
    then. No DAG is triggered by its own consequence twice, so there are never more waves than DAGs.

    :param first: what runs first, whether or not events woke it.
    :param run: runs a DAG; is given what woke it and the number of its step, for the events' source.
    """
    steps: list[Step] = []
    held: list[Wake] = []
    cycles: list[Cycle] = []
    wave, woken = 0, list(first)
    while woken:
        done = []
        for wake in woken:
            if not may_run(wake.dag_id):
                held.append(wake)
            elif cycle := find_cycle(wake, steps):
                cycles.append(cycle)
            else:
                step = Step(len(steps), wave, wake.dag_id, wake.causes, wake.handed, run(wake, len(steps)))
                steps.append(step)
                done.append(step)
        announce(queue, (event for step in done for event in step.outcome.wrote))
        wave, woken = wave + 1, queue.woken()
    return Followed(tuple(steps), tuple(queue.waiting()), tuple(held), tuple(cycles))


def announce(queue: Queue, events: Iterable[Event]) -> None:
    """Take in several events."""
    for event in events:
        queue.announce(event)


def find_cycle(wake: Wake, steps: Sequence[Step]) -> Cycle | None:
    """Return the way from an earlier run of this DAG to its being woken now, where there is one."""
    seen: set[int] = set()
    paths: deque[tuple[tuple[Event, ...], tuple[str, ...]]] = deque([(wake.causes, (wake.dag_id,))])
    while paths:  # breadth first: the shortest way is found first
        events, path = paths.popleft()
        for event in events:
            if event.source is None or event.source in seen:
                continue
            seen.add(event.source)
            step = steps[event.source]
            way = (step.dag_id, event.asset.name, *path)
            if step.dag_id == wake.dag_id:
                return Cycle(way)
            paths.append((step.woken_by, way))
    return None

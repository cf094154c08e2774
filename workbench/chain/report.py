"""What a chain came to, for people, scripts and the browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from workbench.chain import record
from workbench.chain.diagram import diagram
from workbench.chain.layout import place
from workbench.chain.picture import write
from workbench.chain.tree import draw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from workbench.chain.conditions import Event
    from workbench.chain.graph import Graph
    from workbench.chain.levels import Followed, Step

COLOURS = {"success": "green", "failed": "red"}


@dataclass(frozen=True)
class Chained:
    """One chain, run or planned.

    :ivar errors: files that do not import, and why.
    """

    graph: Graph
    followed: Followed
    errors: dict[str, str]
    planned: bool

    @property
    def ok(self) -> bool:
        """Whether every run succeeded and the chain came to an end."""
        return self.followed.ok

    def to_json(self) -> dict[str, Any]:
        """Return runs, events and what is left for scripts."""
        return {**record.to_json(self.followed), "planned": self.planned, "import_errors": self.errors}

    def to_text(self, console: Console) -> None:
        """Print the graph of a plan, or the chain of a run, and what is left."""
        if self.planned:
            console.print(draw(self.graph, self.followed.roots), soft_wrap=False)
        console.print(self._table())
        for step in self.followed.steps:
            if bad := [f"{task} ({state})" for task, state in step.outcome.tasks.items() if state == "failed"]:
                console.print(f"[red]{escape(step.dag_id)} failed in {escape(', '.join(bad))}[/]")
        for line in self._left():
            console.print(line, style="yellow", markup=False)
        for cycle in self.followed.cycles:
            console.print(f"A cycle: {cycle}", style="bold red", markup=False)
            console.print(
                f"  {cycle.dag_id} is not run again here; the scheduler would go round for ever.", markup=False
            )

    def draw(self, file: Path) -> None:
        """Write the picture."""
        roots = self.followed.roots
        names = " and ".join(roots) if len(roots) < 3 else f"{len(roots)} DAGs"  # noqa: PLR2004 a title is a line
        reached = self.graph.reached_from([*roots, *self._marks()])
        shown = sorted(reached, key=lambda dag_id: (dag_id not in roots, dag_id))
        found = diagram(self.graph, shown, self._marks())
        place(found)
        verb = "would wake" if self.planned else "woke"
        runs = (
            f"{len(self.followed.steps)} DAG runs in {1 + max((s.wave for s in self.followed.steps), default=-1)} waves"
        )
        cycles = [f"A cycle: {cycle}" for cycle in self.followed.cycles]
        write(file, found, f"What {names or 'the events'} {verb}", runs, [*self._left(), *cycles])

    def _table(self) -> Table:
        title = "If every task wrote all that it declares" if self.planned else "The chain, in order of cause"
        table = Table(title=title)
        results = () if self.planned else ("state", "seconds")
        for heading in ("wave", "DAG", *results, "writes" if self.planned else "wrote", "triggered by"):
            table.add_column(heading, overflow="fold")
        for step in self.followed.steps:
            state, seconds = step.outcome.state, step.outcome.seconds
            told = () if self.planned else (f"[{COLOURS.get(state, 'default')}]{state}[/]", f"{seconds or 0:.1f}")
            wrote = escape(grouped(step.outcome.wrote))
            table.add_row(str(step.wave), escape(step.dag_id), *told, wrote, escape(woken_by(step)))
        return table

    def _left(self) -> list[str]:
        """Return what waits, what was held back, and what was not looked at."""
        waiting = [
            f"{one.dag_id} still waits for {one.needs}; it has {', '.join(map(str, one.has))}"
            for one in self.followed.waiting
        ]
        held = [
            f"{one.dag_id} was held back by --only or --skip; triggered by {', '.join(map(str, one.causes))}"
            for one in self.followed.held
        ]
        nothing = [] if self.followed.steps or held else ["no DAG was triggered"]
        return [*nothing, *waiting, *held, *(f"not looked at: {file}: {error}" for file, error in self.errors.items())]

    def _marks(self) -> dict[str, tuple[str, str]]:
        """Return each DAG its state in the picture; of several runs, the last one's."""
        marks: dict[str, tuple[str, str]] = {}
        for step in self.followed.steps:
            seconds = f" in {step.outcome.seconds:.1f} s" if step.outcome.seconds is not None else ""
            schedule = self.graph.dags[step.dag_id].schedule
            told = schedule if self.planned else f"{step.outcome.state}{seconds}"
            marks[step.dag_id] = (step.outcome.state, ", ".join(filter(None, [told, f"wave {step.wave}"])))
        for waiting in self.followed.waiting:
            state, note = marks.get(waiting.dag_id, ("waiting", ""))
            marks[waiting.dag_id] = (state, ", ".join(filter(None, [note, f"waits for {waiting.needs}"])))
        for held in self.followed.held:
            marks[held.dag_id] = ("held", "held back")
        for cycle in self.followed.cycles:
            marks[cycle.dag_id] = ("cycle", "triggered by itself")
        return marks


def woken_by(step: Step) -> str:
    """Return the events that woke a run, and say where its tasks do not see them: see `Wake.handed`."""
    text = grouped(step.woken_by)
    if step.woken_by and not step.handed:
        return f"{text}\n(not handed over)"
    return text


def grouped(events: Sequence[Event]) -> str:
    """Return one line an asset: its partition, or how many events there were."""
    assets: dict[str, list[str]] = {}
    for event in events:
        assets.setdefault(event.asset.name, []).append(str(event))
    return "\n".join(lines[0] if len(lines) == 1 else f"{name} x {len(lines)}" for name, lines in assets.items())

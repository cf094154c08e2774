"""The report of a chain: as text for people, as JSON for scripts, and as a flowchart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from workbench.chain import mermaid
from workbench.chain.conditions import AssetEvent, AssetKey, TriggeredDag, WaitingDag
from workbench.chain.levels import ChainResult, ChainRun, Cycle, RunResult
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from workbench.chain.dags import Graph

COLOURS = {"success": "green", "failed": "red"}
#: The title of a flowchart names no more DAGs than these.
MAX_NAMES = 2


@dataclass(frozen=True)
class ChainReport:
    """One chain, run or planned.

    :ivar errors: files that do not import, and why.
    :ivar graph_file: where the flowchart goes; `-` is the terminal.
    """

    graph: Graph
    result: ChainResult
    errors: dict[str, str]
    planned: bool
    graph_file: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether every run succeeded and no cycle was found."""
        return self.result.ok

    def to_json(self) -> dict[str, Any]:
        """Return the result, and the flowchart where `--graph -` asks for it."""
        found = {**to_json(self.result), "planned": self.planned, "import_errors": self.errors}
        return {**found, "mermaid": self.flowchart()} if self.graph_file == mermaid.TERMINAL else found

    def to_text(self, console: Console) -> None:
        """Print the tree of a plan, the runs, what did not run and why, and the flowchart where it is asked for."""
        if self.planned:
            console.print(tree(self.graph, self.result.first), soft_wrap=False)
        console.print(self._table())
        for run in self.result.runs:
            if failed := [task for task, state in run.result.tasks.items() if state == "failed"]:
                console.print(f"[red]{escape(run.dag_id)} failed in {escape(', '.join(failed))}[/]")
        for line in self._not_run():
            console.print(line, style="yellow", markup=False)
        for line in self._cycles():
            console.print(line, style="bold red", markup=False)
        if self.graph_file == mermaid.TERMINAL:
            console.print(self.markdown(), markup=False, end="")

    def write_flowchart(self, file: Path) -> None:
        """Write the flowchart as Markdown, or into an `.mmd` file as Mermaid text alone.

        :raises UserError: where it cannot be written.
        """
        text = self.flowchart() if file.suffix == ".mmd" else self.markdown()
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"{file} cannot be written", str(error), "choose another file for --graph") from None

    def markdown(self) -> str:
        """Return the flowchart as Markdown, with what did not run below it."""
        return mermaid.document(self.flowchart(), [*self._not_run(), *self._cycles()])

    def flowchart(self) -> str:
        """Return the Mermaid flowchart."""
        first, states = self.result.first, self._states()
        names = " and ".join(first) if len(first) <= MAX_NAMES else f"{len(first)} DAGs"
        reached = self.graph.reached_from([*first, *states])
        shown = sorted(reached, key=lambda dag_id: (dag_id not in first, dag_id))
        verb = "would trigger" if self.planned else "triggered"
        size = f"{_count(len(self.result.runs), 'DAG run')} in {_count(self.result.levels, 'level')}"
        return mermaid.flowchart(f"What {names or 'the events'} {verb}: {size}", self.graph, shown, states)

    def _table(self) -> Table:
        title = (
            "Plan, if every task succeeds and updates all its outlets" if self.planned else "DAG runs, level by level"
        )
        table = Table(title=title)
        results = () if self.planned else ("state", "seconds")
        for heading in ("level", "DAG", *results, "writes" if self.planned else "wrote", "triggered by"):
            table.add_column(heading, overflow="fold")
        for run in self.result.runs:
            state, seconds = run.result.state, run.result.seconds
            cells = () if self.planned else (f"[{COLOURS.get(state, 'default')}]{state}[/]", f"{seconds or 0:.1f}")
            wrote = escape(grouped(run.result.emitted))
            table.add_row(str(run.level), escape(run.dag_id), *cells, wrote, escape(triggers(run)))
        return table

    def _not_run(self) -> list[str]:
        """Return one line for each DAG that did not run and each file that does not import."""
        waiting = [
            f"{one.dag_id} waits for {one.missing}; it received {', '.join(map(str, one.received))}"
            for one in self.result.waiting
        ]
        excluded = [
            f"{one.dag_id} did not run because of --only or --skip; "
            f"triggered by {', '.join(map(str, one.triggered_by)) or 'hand'}"
            for one in self.result.excluded
        ]
        nothing = [] if self.result.runs or excluded else ["no DAG was triggered"]
        errors = [f"{file} cannot be imported and was skipped: {error}" for file, error in self.errors.items()]
        return [*nothing, *waiting, *excluded, *errors]

    def _cycles(self) -> list[str]:
        return [
            f"Cycle: {cycle}. {cycle.dag_id} is not run again here; the scheduler would run it again and again."
            for cycle in self.result.cycles
        ]

    def _states(self) -> dict[str, tuple[str, str]]:
        """Return each DAG's state and note in the flowchart; of several runs, those of the last one."""
        states: dict[str, tuple[str, str]] = {}
        for run in self.result.runs:
            seconds = f" in {run.result.seconds:.1f} s" if run.result.seconds is not None else ""
            schedule = self.graph.dags[run.dag_id].schedule
            note = schedule if self.planned else f"{run.result.state}{seconds}"
            states[run.dag_id] = (run.result.state, ", ".join(filter(None, [note, f"level {run.level}"])))
        for waiting in self.result.waiting:
            state, note = states.get(waiting.dag_id, ("waiting", ""))
            states[waiting.dag_id] = (state, ", ".join(filter(None, [note, f"waits for {waiting.missing}"])))
        for excluded in self.result.excluded:
            states[excluded.dag_id] = ("excluded", "did not run")
        for cycle in self.result.cycles:
            states[cycle.dag_id] = ("cycle", "triggered by its own events")
        return states


def triggers(run: ChainRun) -> str:
    """Return what triggered a run; it says where the run's tasks do not see the events."""
    text = grouped(run.dag.triggered_by)
    if run.dag.triggered_by and not run.dag.triggering_asset_events:
        return f"{text}\n(not in triggering_asset_events)"
    return text


def grouped(events: Sequence[AssetEvent]) -> str:
    """Return one line for each asset: its partition, or the number of its events."""
    assets: dict[str, list[str]] = {}
    for event in events:
        assets.setdefault(event.asset.name, []).append(str(event))
    return "\n".join(lines[0] if len(lines) == 1 else f"{name} x {len(lines)}" for name, lines in assets.items())


def tree(graph: Graph, roots: Sequence[str]) -> Tree:
    """Return what each root DAG triggers through which assets; a DAG's own branch is drawn once."""
    found = Tree("", hide_root=True)
    drawn: set[str] = set()

    def add(branch: Tree, dag_id: str, above: tuple[str, ...]) -> None:
        if dag_id in above:
            branch.add(f"[bold red]{escape(dag_id)}[/]  [red]again: a cycle[/]")
            return
        if dag_id in drawn:
            branch.add(f"[bold]{escape(dag_id)}[/]  [dim]see above[/]")
            return
        drawn.add(dag_id)
        node = branch.add(f"[bold]{escape(dag_id)}[/]  [dim]{escape(graph.dags[dag_id].when)}[/]")
        for asset in graph.written_by(dag_id):
            leaf = node.add(f"[cyan]{escape(asset.label)}[/]")
            for reader in graph.readers(asset):
                add(leaf, reader, (*above, dag_id))

    for root in roots:
        add(found, root, ())
    return found


def to_json(result: ChainResult) -> dict[str, Any]:
    """Return a result as JSON: for scripts, and from the process that ran the chain to the one that reports it."""
    return {
        "ok": result.ok,
        "runs": [
            {
                "level": run.level,
                "dag_id": run.dag_id,
                "run_id": run.result.run_id,
                "state": run.result.state,
                "seconds": run.result.seconds,
                "tasks": run.result.tasks,
                "triggered_by": list(map(_event, run.dag.triggered_by)),
                "triggering_asset_events": list(map(_event, run.dag.triggering_asset_events)),
                "emitted": list(map(_event, run.result.emitted)),
            }
            for run in result.runs
        ],
        "waiting": [
            {"dag_id": one.dag_id, "received": list(map(_event, one.received)), "missing": one.missing}
            for one in result.waiting
        ],
        "excluded": [
            {"dag_id": one.dag_id, "triggered_by": list(map(_event, one.triggered_by))} for one in result.excluded
        ],
        "cycles": [list(cycle.path) for cycle in result.cycles],
    }


def from_json(record: dict[str, Any]) -> ChainResult:
    """Return the result that `to_json` was given."""
    return ChainResult(
        tuple(
            ChainRun(
                number,
                run["level"],
                TriggeredDag(run["dag_id"], _events(run["triggered_by"]), _events(run["triggering_asset_events"])),
                RunResult(run["run_id"], run["state"], run["seconds"], _events(run["emitted"]), run["tasks"]),
            )
            for number, run in enumerate(record["runs"])
        ),
        tuple(WaitingDag(one["dag_id"], _events(one["received"]), one["missing"]) for one in record["waiting"]),
        tuple(TriggeredDag(one["dag_id"], _events(one["triggered_by"])) for one in record["excluded"]),
        tuple(Cycle(tuple(path)) for path in record["cycles"]),
    )


def _event(event: AssetEvent) -> dict[str, Any]:
    return {
        "asset": event.asset.name,
        "uri": event.asset.uri,
        "extra": dict(event.extra),
        "aliases": list(event.aliases),
        "source_run": event.source_run,
    }


def _events(events: list[dict[str, Any]]) -> tuple[AssetEvent, ...]:
    return tuple(
        AssetEvent(AssetKey(one["asset"], one["uri"]), one["extra"], tuple(one["aliases"]), one["source_run"])
        for one in events
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"

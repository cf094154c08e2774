"""What a person reads of a plan and of a chain that ran."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from workbench.chain.conditions import AssetEvent, AssetKey, EventQueue, Group, Term, TriggeredDag
from workbench.chain.dags import Dag, DagFiles, Graph
from workbench.chain.levels import RunResult, follow
from workbench.chain.report import ChainReport
from workbench.chain.request import ChainRequest, resolve
from workbench.debug.arguments import Request

A, B, C = (Term("asset", name, name) for name in "abc")
GRAPH = Graph(
    {
        dag.dag_id: dag
        for dag in (
            Dag("first", Path("f.py"), "0 0 * * *", outlets=(A,)),
            Dag("join", Path("f.py"), condition=Group("all", (A, B)), outlets=(C,)),
            Dag("loop", Path("f.py"), condition=Group("any", (A, C)), outlets=(C,)),
        )
    }
)


def text(chain: ChainReport) -> str:
    file = io.StringIO()
    chain.to_text(Console(file=file, width=120, highlight=False, soft_wrap=True))
    return file.getvalue()


def test_plan() -> None:
    """A plan shows the tree, the DAGs that wait, the cycle, and the files that do not import."""
    plan = resolve(ChainRequest(Request("first")), DagFiles(GRAPH.dags, {}), GRAPH).plan()
    shown = text(ChainReport(GRAPH, plan, {"broken.py": "SyntaxError: invalid syntax"}, planned=True))
    assert shown.startswith(
        "first  0 0 * * *\n"
        "└── a\n"
        "    ├── join  a and b\n"
        "    │   └── c\n"
        "    │       └── loop  a or c\n"
        "    │           └── c\n"
        "    │               └── loop  again: a cycle\n"
        "    └── loop  see above\n"
    )
    assert "join waits for b; it received a" in shown
    assert "Cycle: loop -> c -> loop" in shown
    assert "broken.py cannot be imported and was skipped: SyntaxError: invalid syntax" in shown


def test_alias_events() -> None:
    """A run whose tasks do not see the events that triggered it says so."""
    graph = Graph({"d": Dag("d", Path("f.py"), condition=Term("alias", "x"))})
    queue = EventQueue(graph.conditions())
    queue.add([AssetEvent(AssetKey("a", "a"), {"partition": "today"}, aliases=("x",))])
    result = follow(queue.take_triggered(), queue, lambda dag, number: RunResult("run", "success"))
    shown = text(ChainReport(graph, result, {}, planned=False))
    assert "a today" in shown
    assert "(not in triggering_asset_events)" in shown


def test_failed_task() -> None:
    """A chain that ran names the tasks that failed."""

    def run(dag: TriggeredDag, number: int) -> RunResult:
        return RunResult("manual__1", "failed", 1.25, tasks={"good": "success", "bad[2]": "failed"})

    result = follow([TriggeredDag("first")], EventQueue(GRAPH.conditions()), run)
    chain = ChainReport(GRAPH, result, {}, planned=False)
    assert not chain.ok
    assert "first failed in bad[2]\n" in text(chain)

"""What a person reads of a plan and of a chain that ran."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from workbench.chain.conditions import Group, Queue, Term, Wake
from workbench.chain.dags import Dag, DagFiles
from workbench.chain.graph import Graph
from workbench.chain.levels import Outcome, follow
from workbench.chain.report import Chained
from workbench.chain.request import ChainRequest, begin
from workbench.debug.arguments import Request

A, B, C = (Term("asset", name, name) for name in "abc")
GRAPH = Graph(
    {
        dag.dag_id: dag
        for dag in (
            Dag("first", Path("f.py"), "0 0 * * *", writes=(A,)),
            Dag("join", Path("f.py"), condition=Group("all", (A, B)), writes=(C,)),
            Dag("loop", Path("f.py"), condition=Group("any", (A, C)), writes=(C,)),
        )
    }
)


def text(chained: Chained) -> str:
    file = io.StringIO()
    chained.to_text(Console(file=file, width=120, highlight=False, soft_wrap=True))
    return file.getvalue()


def test_a_plan_shows_the_tree_the_waves_who_waits_and_the_cycle() -> None:
    plan = begin(ChainRequest(Request("first")), DagFiles(GRAPH.dags, {}), GRAPH).plan()
    told = text(Chained(GRAPH, plan, {"broken.py": "SyntaxError: invalid syntax"}, planned=True))
    assert told.startswith(
        "first  0 0 * * *\n"
        "└── a\n"
        "    ├── join  a and b\n"
        "    │   └── c\n"
        "    │       └── loop  a or c\n"
        "    │           └── c\n"
        "    │               └── loop  again: a cycle\n"
        "    └── loop  see above\n"
    )
    assert "join still waits for b; it has a" in told
    assert "A cycle: loop -> c -> loop" in told
    assert "not looked at: broken.py: SyntaxError: invalid syntax" in told


def test_a_chain_that_ran_names_what_failed_and_what_woke_it() -> None:
    def run(wake: Wake, number: int) -> Outcome:
        return Outcome("manual__1", "failed", 1.25, tasks={"good": "success", "bad[2]": "failed"})

    told = Chained(GRAPH, follow([Wake("first", (), ())], Queue(GRAPH.conditions()), run), {}, planned=False)
    assert not told.ok
    assert "first failed in bad[2] (failed)" in text(told)

"""A chain is result level by level, to its end, also where it goes round in a cycle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.chain.conditions import AssetEvent, AssetKey, Condition, EventQueue, Group, Term, TriggeredDag
from workbench.chain.dags import Dag, Graph
from workbench.chain.levels import ChainResult, RunResult, follow, plan

if TYPE_CHECKING:
    from collections.abc import Iterable


def asset(name: str) -> Term:
    return Term("asset", name, name)


def dag(dag_id: str, condition: Condition | None = None, writes: str = "") -> Dag:
    """A DAG that writes an asset for each letter."""
    return Dag(dag_id, Path("test.py"), condition=condition, outlets=tuple(map(asset, writes)))


def planned(dags: Iterable[Dag], first: str, *without: str) -> ChainResult:
    """Plan from one DAG."""
    graph = Graph({one.dag_id: one for one in dags})
    queue = EventQueue(graph.conditions())
    return plan(graph, [TriggeredDag(first)], queue, lambda dag_id: dag_id not in without)


def order(result: ChainResult) -> list[list[str]]:
    """The DAGs of each level."""
    levels: dict[int, list[str]] = {}
    for run in result.runs:
        levels.setdefault(run.level, []).append(run.dag_id)
    return list(levels.values())


def test_diamond() -> None:
    """A diamond runs its last DAG once, after both sides."""
    dags = [
        dag("first", writes="a"),
        dag("left", asset("a"), "b"),
        dag("right", asset("a"), "c"),
        dag("last", Group("all", (asset("b"), asset("c")))),
    ]
    result = planned(dags, "first")
    assert order(result) == [["first"], ["left", "right"], ["last"]]
    assert [event.asset.name for event in result.runs[-1].dag.triggered_by] == ["b", "c"]
    assert result.runs[-1].causes == {1, 2}


def test_levels() -> None:
    """Events of one level trigger one run, and those of the next level another."""
    dags = [
        dag("first", writes="a"),
        dag("left", asset("a"), "b"),
        dag("right", asset("a"), "c"),
        dag("long", asset("c"), "d"),
        dag("any", Group("any", (asset("b"), asset("c"), asset("d")))),
    ]
    assert order(planned(dags, "first")) == [["first"], ["left", "right"], ["any", "long"], ["any"]]


def test_excluded() -> None:
    """A DAG that may not run is named, and triggers nothing."""
    dags = [dag("first", writes="a"), dag("middle", asset("a"), "b"), dag("last", asset("b"))]
    result = planned(dags, "first", "middle")
    assert order(result) == [["first"]]
    assert [dag.dag_id for dag in result.excluded] == ["middle"]


def test_waiting() -> None:
    """A DAG of whose condition a part is missing waits."""
    dags = [dag("first", writes="a"), dag("join", Group("all", (asset("a"), asset("z"))))]
    result = planned(dags, "first")
    assert [(one.dag_id, one.missing) for one in result.waiting] == [("join", "z")]


@pytest.mark.parametrize(
    ("dags", "cycle"),
    [
        ([dag("a", asset("z"), "z")], "a -> z -> a"),
        ([dag("a", asset("y"), "x"), dag("b", asset("x"), "y")], "a -> x -> b -> y -> a"),
        (
            [dag("a", writes="s"), dag("b", Group("any", (asset("s"), asset("u"))), "t"), dag("c", asset("t"), "u")],
            "b -> t -> c -> u -> b",
        ),
    ],
)
def test_cycle(dags: list[Dag], cycle: str) -> None:
    """A DAG that its own events trigger is shown and not run again."""
    result = planned(dags, "a")
    assert [str(found) for found in result.cycles] == [cycle]
    assert len(result.runs) == len(dags)


def test_beside_cycle() -> None:
    """Other DAGs that a cycle triggers run."""
    dags = [dag("a", asset("y"), "x"), dag("b", asset("x"), "y"), dag("c", asset("y"))]
    result = planned(dags, "a")
    assert order(result) == [["a"], ["b"], ["c"]]
    assert result.cycles[0].dag_id == "a"


def test_failure() -> None:
    """A DAG that fails leaves the others of its level to run."""
    queue = EventQueue({"bad": asset("a"), "good": asset("a"), "after_bad": asset("b"), "after_good": asset("c")})
    writes = {"first": "a", "bad": "", "good": "c", "after_good": ""}

    def run(dag: TriggeredDag, number: int) -> RunResult:
        emitted = tuple(AssetEvent(AssetKey(name, name), source_run=number) for name in writes[dag.dag_id])
        return RunResult("run", "failed" if dag.dag_id == "bad" else "success", emitted=emitted)

    result = follow([TriggeredDag("first")], queue, run)
    assert order(result) == [["first"], ["bad", "good"], ["after_good"]]


def test_references() -> None:
    """A reference is the asset that it refers to, and an alias holds by what is written through it."""
    dags = [
        Dag("first", Path("test.py"), outlets=(Term("asset", "name", "x://uri"), Term("alias", "incoming"))),
        dag("by_name", Term("name", "name")),
        dag("by_uri", Term("uri", "x://uri", "x://uri")),
        dag("by_alias", Term("alias", "incoming")),
        dag("by_other", Term("alias", "other")),
    ]
    assert order(planned(dags, "first")) == [["first"], ["by_alias", "by_name", "by_uri"]]


names = st.sampled_from("abcdef")
conditions = st.recursive(
    names.map(asset),
    lambda parts: st.builds(Group, st.sampled_from(["all", "any"]), st.lists(parts, min_size=1, max_size=3).map(tuple)),
    max_leaves=5,
)


@given(st.lists(st.tuples(conditions, st.text("abcdef", max_size=3)), min_size=1, max_size=7))
def test_ends(shape: list[tuple[Condition, str]]) -> None:
    """Every chain ends, after at most as many levels as there are DAGs."""
    dags = [dag(f"d{number}", condition, "".join(set(writes))) for number, (condition, writes) in enumerate(shape)]
    result = planned(dags, "d0")
    assert max(run.level for run in result.runs) < len(dags)
    for run in result.runs:
        assert len(run.dag.triggered_by) == len(set(run.dag.triggered_by))

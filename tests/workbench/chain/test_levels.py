"""A chain is followed wave by wave, to its end, also where it has none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.chain.conditions import AssetKey, Condition, Event, Group, Queue, Term, Wake
from workbench.chain.dags import Dag
from workbench.chain.levels import Followed, Outcome, follow
from workbench.chain.plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterable


def asset(name: str) -> Term:
    return Term("asset", name, name)


def dag(dag_id: str, condition: Condition | None = None, writes: str = "") -> Dag:
    """A DAG that writes an asset for each letter."""
    return Dag(dag_id, Path("test.py"), condition=condition, writes=tuple(map(asset, writes)))


def planned(dags: Iterable[Dag], first: str, *without: str) -> Followed:
    """Plan from one DAG."""
    by_id = {one.dag_id: one for one in dags}
    queue = Queue({one.dag_id: one.condition for one in dags if one.condition})
    return plan(by_id, [Wake(first, (), ())], queue, lambda dag_id: dag_id not in without)


def order(followed: Followed) -> list[list[str]]:
    """The DAGs of each wave."""
    waves: dict[int, list[str]] = {}
    for step in followed.steps:
        waves.setdefault(step.wave, []).append(step.dag_id)
    return list(waves.values())


def test_a_diamond_runs_its_last_dag_once_after_both_sides() -> None:
    dags = [
        dag("first", writes="a"),
        dag("left", asset("a"), "b"),
        dag("right", asset("a"), "c"),
        dag("last", Group("all", (asset("b"), asset("c")))),
    ]
    followed = planned(dags, "first")
    assert order(followed) == [["first"], ["left", "right"], ["last"]]
    assert [event.asset.name for event in followed.steps[-1].woken_by] == ["b", "c"]
    assert followed.steps[-1].causes == {1, 2}


def test_events_of_one_wave_wake_one_run_and_those_of_the_next_another() -> None:
    dags = [
        dag("first", writes="a"),
        dag("left", asset("a"), "b"),
        dag("right", asset("a"), "c"),
        dag("long", asset("c"), "d"),
        dag("any", Group("any", (asset("b"), asset("c"), asset("d")))),
    ]
    assert order(planned(dags, "first")) == [["first"], ["left", "right"], ["any", "long"], ["any"]]


def test_a_dag_that_is_skipped_runs_nothing_behind_it_and_is_named() -> None:
    dags = [dag("first", writes="a"), dag("middle", asset("a"), "b"), dag("last", asset("b"))]
    followed = planned(dags, "first", "middle")
    assert order(followed) == [["first"]]
    assert [held.dag_id for held in followed.held] == ["middle"]


def test_a_dag_without_all_that_it_needs_waits() -> None:
    dags = [dag("first", writes="a"), dag("join", Group("all", (asset("a"), asset("z"))))]
    followed = planned(dags, "first")
    assert [(one.dag_id, one.needs) for one in followed.waiting] == [("join", "z")]


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
def test_a_dag_that_its_own_events_wake_is_shown_and_not_run_again(dags: list[Dag], cycle: str) -> None:
    followed = planned(dags, "a")
    assert [str(found) for found in followed.cycles] == [cycle]
    assert len(followed.steps) == len(dags)


def test_what_a_cycle_also_wakes_still_runs() -> None:
    dags = [dag("a", asset("y"), "x"), dag("b", asset("x"), "y"), dag("c", asset("y"))]
    followed = planned(dags, "a")
    assert order(followed) == [["a"], ["b"], ["c"]]
    assert followed.cycles[0].dag_id == "a"


def test_a_dag_that_fails_leaves_the_others_of_its_wave_to_run() -> None:
    queue = Queue({"bad": asset("a"), "good": asset("a"), "after_bad": asset("b"), "after_good": asset("c")})
    writes = {"first": "a", "bad": "", "good": "c", "after_good": ""}

    def run(wake: Wake, number: int) -> Outcome:
        wrote = tuple(Event(AssetKey(name, name), source=number) for name in writes[wake.dag_id])
        return Outcome("run", "failed" if wake.dag_id == "bad" else "success", wrote=wrote)

    followed = follow([Wake("first", (), ())], queue, run)
    assert order(followed) == [["first"], ["bad", "good"], ["after_good"]]


def test_a_reference_is_the_asset_that_it_refers_to_and_an_alias_stands_for_what_comes_through_it() -> None:
    dags = [
        Dag("first", Path("test.py"), writes=(Term("asset", "name", "x://uri"), Term("alias", "incoming"))),
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
def test_every_chain_ends_after_at_most_as_many_waves_as_there_are_dags(shape: list[tuple[Condition, str]]) -> None:
    dags = [dag(f"d{number}", condition, "".join(set(writes))) for number, (condition, writes) in enumerate(shape)]
    followed = planned(dags, "d0")
    assert max(step.wave for step in followed.steps) < len(dags)
    for step in followed.steps:
        assert len(step.woken_by) == len(set(step.woken_by))

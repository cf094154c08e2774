"""A request that does not fit is refused in one message before anything runs."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.chain import record
from workbench.chain.conditions import Group, Term
from workbench.chain.dags import Dag, DagFiles
from workbench.chain.graph import Graph
from workbench.chain.request import ChainRequest, add_arguments, begin, read
from workbench.debug.arguments import Request
from workbench.errors import UserError

A, B, C = (Term("asset", name, f"x://{name}") for name in "abc")
FILES = DagFiles(
    {
        dag.dag_id: dag
        for dag in (
            Dag("first", Path("one.py"), writes=(A,)),
            Dag("second", Path("two.py"), condition=Group("all", (A, B)), writes=(C,)),
            Dag("third", Path("two.py"), condition=C),
        )
    },
    {},
)
GRAPH = Graph(FILES.dags)


def ask(*words: str) -> ChainRequest:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return read(parser, parser.parse_args(words))


def steps(*words: str) -> list[str]:
    return [step.dag_id for step in begin(ask(*words), FILES, GRAPH).plan().steps]


def test_the_command_line_is_read_and_written_alike() -> None:
    words = ["first", "--date", "2025-11-20", "--conf", '{"a": 1}', "--param", "b=2", "--only", "second", "--skip", "x"]
    asked = ask(*words)
    assert asked.first.dag_id == "first"
    assert asked.first.date == datetime(2025, 11, 20, tzinfo=UTC)
    assert (asked.only, asked.skip) == (("second",), ("x",))
    assert ask(*asked.words()) == asked
    pretending = ask("--event", "a", "partition=2025-11-20", "n=5", "--event", "b")
    assert pretending.first.events == (("a", {"partition": "2025-11-20", "n": 5}), ("b", {}))
    assert ask(*pretending.words()) == pretending


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["first"], ["first"]),
        (["first", "--event", "b"], ["first", "second", "third"]),
        (["first", "--event", "x://b"], ["first", "second", "third"]),
        (["second"], ["second", "third"]),
        (["--event", "a", "--event", "b"], ["second", "third"]),
        (["--event", "c"], ["third"]),
        (["--event", "a"], []),
        (["first", "--event", "b", "--skip", "second"], ["first"]),
        (["first", "--event", "b", "--only", "second"], ["first", "second"]),
        (["--event", "a", "--event", "b", "--skip", "second"], []),
        (["--file", "one.py"], ["first"]),
        ([], ["first"]),
    ],
)
def test_where_a_chain_begins_and_what_it_may_run(words: list[str], runs: list[str]) -> None:
    assert steps(*words) == runs


@pytest.mark.parametrize(
    ("words", "what", "why"),
    [
        (["nonsense"], "there is no DAG nonsense", "dags/ has first, second, third"),
        (["first", "--skip", "nonsense"], "there is no DAG nonsense", "first"),
        (["first", "--event", "nonsense"], "no DAG knows an asset nonsense", "there are a, b, c"),
        (["second", "2025-11-20", "--event", "a"], "no logical date", "both"),
        (["--event", "a", "--conf", '{"x": 1}'], "are the first DAG's", "no DAG"),
        (["--file", "two.py"], "two.py defines 2 DAGs", "second, third"),
        (["--file", __file__], "there is no DAG in test_request.py", "first"),
        (["--file", "other.py"], "there is no file other.py", "nothing is at /"),
    ],
)
def test_what_does_not_fit_is_said(words: list[str], what: str, why: str) -> None:
    with pytest.raises(UserError) as told:
        steps(*words)
    assert what in told.value.what
    assert why in told.value.why
    assert told.value.fix


def test_a_file_that_does_not_import_is_the_reason_why_a_dag_is_missing() -> None:
    with pytest.raises(UserError) as told:
        begin(ChainRequest(Request("lost")), DagFiles({}, {"dags/lost.py": "SyntaxError: invalid syntax"}), Graph({}))
    assert told.value.why == "dags/lost.py: SyntaxError: invalid syntax"
    assert told.value.fix == "fix the file"


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=4), st.sampled_from([[], ["first"], ["second"], ["third"]]))
def test_a_record_says_all_of_a_chain(events: list[str], first: list[Any]) -> None:
    words = [word for name in events for word in ("--event", name, "partition=p")]
    followed = begin(ask(*first, *words), FILES, GRAPH).plan()
    told = json.loads(json.dumps(record.to_json(followed)))
    again = record.from_json(told)
    assert record.to_json(again) == told
    assert again.steps == followed.steps
    assert again.cycles == followed.cycles

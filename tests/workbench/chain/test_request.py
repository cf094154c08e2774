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

from workbench.chain import report
from workbench.chain.conditions import Group, Term
from workbench.chain.dags import Dag, DagFiles, Graph
from workbench.chain.report import ChainReport
from workbench.chain.request import ChainRequest, add_arguments, read, resolve
from workbench.debug.arguments import Request
from workbench.errors import UserError

A, B, C = (Term("asset", name, f"x://{name}") for name in "abc")
FILES = DagFiles(
    {
        dag.dag_id: dag
        for dag in (
            Dag("first", Path("one.py"), outlets=(A,)),
            Dag("second", Path("two.py"), condition=Group("all", (A, B)), outlets=(C,)),
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


def planned(*words: str) -> list[str]:
    return [run.dag_id for run in resolve(ask(*words), FILES, GRAPH).plan().runs]


def test_command_line() -> None:
    """A command line is read, and written as the same request."""
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
def test_first_level(words: list[str], runs: list[str]) -> None:
    """The DAG, the events and the options decide where a chain begins and what it may run."""
    assert planned(*words) == runs


@pytest.mark.parametrize(
    ("words", "what", "why"),
    [
        (["nonsense"], "DAG nonsense does not exist", "DAGs in dags/: first, second, third"),
        (["first", "--skip", "nonsense"], "DAG nonsense does not exist", "first"),
        (["first", "--event", "nonsense"], "asset nonsense does not exist", "the DAGs use these assets: a, b, c"),
        (["second", "2025-11-20", "--event", "a"], "cannot be combined", "no logical date"),
        (["--event", "a", "--conf", '{"x": 1}'], "need a first DAG", "no DAG"),
        (["--file", "two.py"], "two.py defines 2 DAGs", "second, third"),
        (["--file", __file__], "test_request.py defines no DAG", "first"),
        (["--file", "other.py"], "file other.py does not exist", "there is no file at /"),
    ],
)
def test_refused(words: list[str], what: str, why: str) -> None:
    """A request that does not fit the DAG files says what is wrong, why, and how to fix it."""
    with pytest.raises(UserError) as refused:
        planned(*words)
    assert what in refused.value.what
    assert why in refused.value.why
    assert refused.value.fix


def test_import_error() -> None:
    """A file that does not import is named as the reason why a DAG is missing."""
    with pytest.raises(UserError) as refused:
        resolve(ChainRequest(Request("lost")), DagFiles({}, {"dags/lost.py": "SyntaxError: invalid syntax"}), Graph({}))
    assert refused.value.why == "dags/lost.py: SyntaxError: invalid syntax"
    assert refused.value.fix == "fix the file"


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=4), st.sampled_from([[], ["first"], ["second"], ["third"]]))
def test_json(events: list[str], first: list[Any]) -> None:
    """The JSON of a chain holds all of it: reading it gives the same result."""
    words = [word for name in events for word in ("--event", name, "partition=p")]
    result = resolve(ask(*first, *words), FILES, GRAPH).plan()
    record = json.loads(json.dumps(report.to_json(result)))
    again = report.from_json(record)
    assert report.to_json(again) == record
    assert again.runs == result.runs
    assert again.cycles == result.cycles


def test_json_of_plan() -> None:
    """Scripts receive what people read: whether it is a plan, the runs and levels, and what is missing."""
    found = ChainReport(GRAPH, resolve(ask("first"), FILES, GRAPH).plan(), {}, planned=True)
    record = json.loads(json.dumps(found.to_json()))
    assert record["ok"] is True
    assert record["planned"] is True
    assert [(run["level"], run["dag_id"]) for run in record["runs"]] == [(0, "first")]
    assert record["waiting"][0]["missing"] == "b"

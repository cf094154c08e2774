"""What is asked of a run in the debugger, typed on a command line or into an editor's prompts."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from workbench.debug.arguments import Request, add_arguments, request, words


def asked(*line: str) -> Request:
    """Read a command line."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return request(parser, parser.parse_args(line))


def test_read() -> None:
    """A DAG, a date, params, tasks and events are read."""
    got = asked(
        "loads", "2025-11-20", "--param", "day=x=y", "--param", "n=5", "--conf", '{"a": [1]}', "--task", "t*",
        "--event", "raw", "partition=2025-11-20", "rows=5", "--event", "other",
    )  # fmt: skip
    assert got == Request(
        dag_id="loads",
        date=datetime(2025, 11, 20, tzinfo=UTC),
        conf={"a": [1]},
        params={"day": "x=y", "n": "5"},
        tasks=("t*",),
        events=(("raw", {"partition": "2025-11-20", "rows": 5}), ("other", {})),
    )


def test_zone() -> None:
    """A time keeps its zone."""
    assert asked("x", "2025-11-20T06:00+01:00").date == datetime(2025, 11, 20, 6, tzinfo=timezone(timedelta(hours=1)))


def test_prompts() -> None:
    """An editor's prompts ask for the same.

    Each may be left empty; JSON is typed as it is.
    """
    file = ("--file", "/x.py")
    typed = asked(*file, "--inputs", " 2025-11-20", "n=5 name='New York'", "a b*", 'raw {"p": "1;2"}; other k=v w=1;')
    assert typed.date == datetime(2025, 11, 20, tzinfo=UTC)
    assert typed.params == {"n": "5", "name": "New York"}
    assert typed.tasks == ("a", "b*")
    assert typed.events == (("raw", {"p": "1;2"}), ("other", {"k": "v", "w": 1}))
    assert asked(*file, "--inputs", "", '{"n": 5}', "", "").conf == {"n": 5}
    assert asked(*file, "--inputs", "", "", "", "") == Request(file=Path("/x.py"))


@pytest.mark.parametrize(
    "line",
    [
        (),
        ("one", "two"),
        ("x", "2025-11-20", "2025-11-21"),
        ("x", "2025-13-01"),
        ("x", "--param", "n"),
        ("x", "--conf", "[1]"),
        ("--event", "raw", "DAG"),
        ("x", "--inputs", "soon", "", "", ""),
        ("x", "--inputs", "", "{", "", ""),
    ],
)
def test_usage(line: tuple[str, ...]) -> None:
    """What makes no sense is a usage error."""
    with pytest.raises(SystemExit) as ended:
        asked(*line)
    assert ended.value.code == 2


def test_words() -> None:
    """A request can be passed on as words.

    As to a container.
    """
    whole = asked(
        "x", "2025-11-20", "--file", "/f.py", "--param", "a=b c", "--task", "t", "--event", "e", "k=1", "--slack"
    )
    assert asked(*words(whole)) == whole

"""`./dev status` says when each DAG was last parsed, and warns where edits are noticed late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from workbench.cli.parsing import Parsed, Parsing, ago

NOW = datetime.now(UTC)
BY_EVENTS = Parsing((Parsed("load", "dags/load.py", NOW - timedelta(days=2, hours=1)),), "events", "file events arrive")


def text(parsing: Parsing) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(*parsing.to_text(), sep="\n")
    return capture.get()


def test_each_dag_has_its_file_and_age() -> None:
    assert ["load", "2", "d", "ago", "dags/load.py"] in [line.split() for line in text(BY_EVENTS).splitlines()]


@pytest.mark.parametrize("way", ["polling", "intervals", "nothing"])
def test_another_way_than_events_is_said_with_its_reason(way: str) -> None:
    assert "noticed" not in text(BY_EVENTS)
    warned = text(replace(BY_EVENTS, edits_noticed_by=way, reason="file events do not arrive here"))
    assert f"edits are noticed by {way}  file events do not arrive here" in warned


def test_scripts_get_times_with_their_zone() -> None:
    dag = BY_EVENTS.to_json()["dags"][0]
    assert datetime.fromisoformat(dag["parsed_at"]) == BY_EVENTS.dags[0].parsed_at


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")],
)
def test_ages_are_short(seconds: float, expected: str) -> None:
    assert ago(seconds) == expected

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


def test_ages() -> None:
    """Each DAG is shown with its file and the time since it was parsed."""
    assert ["load", "2", "d", "ago", "dags/load.py"] in [line.split() for line in text(BY_EVENTS).splitlines()]


@pytest.mark.parametrize("way", ["polling", "intervals", "nothing"])
def test_slow_edits(way: str) -> None:
    """Another way than file events is shown with its reason."""
    assert "noticed" not in text(BY_EVENTS)
    warned = text(replace(BY_EVENTS, edits_noticed_by=way, reason="file events do not arrive here"))
    assert f"edits are noticed by {way}  file events do not arrive here" in warned


def test_zones() -> None:
    """Scripts get times with their zone."""
    dag = BY_EVENTS.to_json()["dags"][0]
    assert datetime.fromisoformat(dag["parsed_at"]) == BY_EVENTS.dags[0].parsed_at


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")],
)
def test_ago(seconds: float, expected: str) -> None:
    """Ages are short."""
    assert ago(seconds) == expected

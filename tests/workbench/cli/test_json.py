"""The keys that scripts may rely on (docs/reference/json.md)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workbench.cli import main
from workbench.cli.bring_up import Environment
from workbench.cli.commands.demo import Demonstrated
from workbench.cli.commands.status import Status
from workbench.cli.parsing import Parsing
from workbench.cli.sample.runs import Run
from workbench.cli.services import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.cli.main import Result
    from workbench.cli.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs/reference/json.md").read_text()
SERVICE = Service("scheduler", "running", "healthy", restarts=0, kills=0, memory_bytes=1, limit_bytes=2, pid=3)


def documented(command: str) -> set[str]:
    """The keys in the first column of the table below a command's name."""
    table = PAGE.partition(f"`./dev {command} --json`")[2].partition("\n\n|")[2].partition("\n\n")[0]
    return {key for row in table.splitlines() for key in re.findall(r"`([^`]+)`", row.split("|")[-3])}


def printed(result: Result, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    main.print_json(result.to_json())
    content: dict[str, object] = json.loads(capsys.readouterr().out)
    return content


@pytest.fixture
def status(load: Callable[..., Settings]) -> Status:
    """Return the status of an environment with one service."""
    return Status(load(), (SERVICE,), (), (), Parsing())


def test_status(status: Status, capsys: pytest.CaptureFixture[str]) -> None:
    """`status --json` has every documented key."""
    found = printed(status, capsys)
    keys = documented("status")
    assert {"mode", "airflow_version", "executor", "ui.url", "emulators.url", "services[].limit_bytes"} <= keys
    for key in keys:
        at: object = found
        for part in re.findall(r"\w+", key):
            at = at[0] if isinstance(at, list) else at
            assert isinstance(at, dict)
            assert part in at, f"docs/reference/json.md promises {key}"
            at = at[part]
    assert (found["schema"], found["ok"], found["mode"], found["executor"]) == (1, True, "native", "local")
    assert re.fullmatch(r"3\.\d+\.\d+", str(found["airflow_version"]))


def test_up(load: Callable[..., Settings], capsys: pytest.CaptureFixture[str]) -> None:
    """`up --json` has the same addresses and services."""
    found = printed(Environment(load(), (SERVICE,), seconds=1, fresh=True, overhead=0), capsys)
    assert found.keys() >= {"schema", "ok", "mode", "ui", "emulators", "services"}


def test_demo(capsys: pytest.CaptureFixture[str]) -> None:
    """`demo --json` has every documented key."""
    run = Run("load_warehouse", "one", "success", None, None, None, ("raw_agents all",))
    found = printed(Demonstrated((run,), {}, {"dim_agents": 7}, (), None, 1.0, {}), capsys)
    assert found["ok"] is True
    assert found["marts"] == {"dim_agents": 7}
    (shown,) = found["runs"] if isinstance(found["runs"], list) else ()
    assert documented("demo") == {"ok", "runs[]", "marts{name: rows}"}
    row = next(line for line in PAGE.splitlines() if line.startswith("| `runs[]`"))
    assert set(re.findall(r"`(\w+)`", row)) == set(shown)

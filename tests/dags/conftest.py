"""Run DAGs in this process, each test with a database and a lake of its own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Airflow and its providers warn of each other while they run."""
    for item in items:
        if "run_dag" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


class Ran:
    """One DAG run: the states of its tasks and the events that it emitted."""

    def __init__(self, run: Any) -> None:
        from workbench.airflow import debug_database  # noqa: PLC0415  # Airflow's home is set first

        self.state = str(run.state)
        self.run_id = run.run_id
        self.tasks = {task.name: task.state for task in debug_database.tasks(run)}
        self.events = [event.extra for event in debug_database.emitted(run)]


@pytest.fixture
def run_dag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Ran]:
    """Run a DAG by `dag.test()` in a fresh database; failures go to Slack's emulator."""
    from workbench.airflow import debug_database  # noqa: PLC0415
    from workbench.debug import run as debug  # noqa: PLC0415
    from workbench.debug.resolve import ResolvedRun, first_date  # noqa: PLC0415

    # What the debugger sets, so that it is undone.
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}/airflow.db")
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_ALERT_TO", "slack")
    debug.use_own_database(slack=True)
    debug_database.use_own_database(tmp_path / "debug")
    dags: dict[str, Any] = {}

    def run(name: str, date: datetime | None = None, conf: dict[str, Any] | None = None) -> Ran:
        if name not in dags:
            spec = importlib.util.spec_from_file_location(name, ROOT / "dags" / "telecoms" / f"{name}.py")
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            dags[name] = module.dag_object
        debug.prepare([dags[name]])
        return Ran(debug.execute(ResolvedRun(dags[name], date or first_date(dags[name]), conf or {})))

    return run

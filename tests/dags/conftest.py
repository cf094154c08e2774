"""Run DAGs in this process, each test with a database and a lake of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Airflow and its providers warn of each other while they run."""
    for item in items:
        if "run_dag" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


class Ran:
    """One DAG run: the states of its tasks and the events that it emitted."""

    def __init__(self, run: Any) -> None:
        from airflow.models.asset import AssetEvent  # noqa: PLC0415  # Airflow's home is set first
        from airflow.utils.session import create_session  # noqa: PLC0415

        from common.airflow_3_0_6.debugging import task_instances  # noqa: PLC0415

        self.state = str(run.state)
        self.run_id = run.run_id
        self.tasks = {
            ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": ti.state for ti in task_instances(run)
        }
        with create_session() as session:
            events = session.query(AssetEvent).filter_by(source_dag_id=run.dag_id, source_run_id=run.run_id)
            self.events = [event.extra for event in events]


@pytest.fixture
def run_dag(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a DAG by `dag.test()`; failures go to Slack's stand-in."""
    from common.debug import run_once  # noqa: PLC0415

    folder = Path(os.environ["AIRFLOW_HOME"], "debug")
    shutil.rmtree(folder, ignore_errors=True)
    # What `run_once` sets, so that it is undone.
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{folder}/airflow.db")
    dags: dict[str, Any] = {}

    def run(name: str, *args: Any, **kwargs: Any) -> Ran:
        if name not in dags:
            spec = importlib.util.spec_from_file_location(name, ROOT / "dags" / "telecoms" / f"{name}.py")
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            dags[name] = module.dag_object
        return Ran(run_once(dags[name], *args, **kwargs))

    return run

"""A parse that takes too long: a real one, and what would be written into the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.dag_processing import manager as stock
from airflow.dag_processing.bundles.local import LocalDagBundle

from workbench.airflow.broken_files import SturdyManager
from workbench.airflow.reload import RecordedProcess

if TYPE_CHECKING:
    from pathlib import Path

#: Airflow's own timeout of an import is an exception, which this file catches; it talks all the while.
HANGS = """from airflow.sdk import dag
import time

while True:
    try:
        print("still there" * 1000)
        time.sleep(0.01)
    except BaseException:
        pass
"""


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SturdyManager:
    """Parse in a folder of this test, two seconds at most."""
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT", "2")
    monkeypatch.setattr(stock, "DagFileProcessorProcess", RecordedProcess)
    monkeypatch.setattr(SturdyManager, "client", None, raising=False)
    manager = SturdyManager(max_runs=-1, base_log_dir=str(tmp_path / "logs"))
    manager._dag_bundles = [LocalDagBundle(name="dags", path=str(tmp_path))]
    return manager


def test_timeout(manager: SturdyManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parse that takes too long is an error that names its line.

    What it has printed and nobody has read yet does no harm: stock would write it into a log that it has closed.
    """
    stored: list[Any] = []
    monkeypatch.setattr(manager, "_write", lambda result, *_: stored.append(result) or stock.DagFileStat())
    path = tmp_path / "hangs.py"
    path.write_text(HANGS)
    manager._file_queue.append(stock.DagFileInfo(path.relative_to(tmp_path), "dags", tmp_path))
    manager._start_new_processes()
    while not stored:
        manager._kill_timed_out_processors()
        manager._service_processor_sockets(timeout=0.2)
        manager._collect_results()
    manager._service_processor_sockets(timeout=0.2)
    assert not manager._processors
    ((name, text),) = stored[0].import_errors.items()
    assert name == str(path)
    assert f'File "{path}", line ' in text
    assert text.splitlines()[-1].startswith("parsing took longer than 2 s: do slow work inside tasks")

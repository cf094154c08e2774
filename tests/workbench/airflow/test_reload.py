"""Which DAG files a change concerns. What then happens is in `tests/native/test_reload.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.dag_processing.bundles.local import LocalDagBundle
from airflow.dag_processing.manager import DagFileInfo

from workbench.airflow.reads import Reads
from workbench.airflow.reload import WatchingManager
from workbench.airflow.watcher import Changes

DAGS = "/srv/dags"


def file(name: str) -> DagFileInfo:
    return DagFileInfo(rel_path=Path(name), bundle_name="dags", bundle_path=Path(DAGS))


def saved(*paths: str) -> Changes:
    return Changes(frozenset(paths))


@pytest.fixture
def manager() -> WatchingManager:
    """A dag-processor that has parsed three files, of which the last one failed."""
    manager = WatchingManager(max_runs=-1)
    manager._dag_bundles = [LocalDagBundle(name="dags", path=DAGS)]
    manager._real_paths = {file(name): f"{DAGS}/{name}" for name in ("a.py", "b.py", "broken.py")}
    manager._reads = {
        file("a.py"): Reads(frozenset({f"{DAGS}/a.py", "/srv/common/shared.py", f"{DAGS}/a.sql"})),
        file("b.py"): Reads(frozenset({f"{DAGS}/b.py", "/srv/common/shared.py", "/etc/b.yaml"})),
        file("broken.py"): Reads(frozenset({f"{DAGS}/broken.py"}), frozenset({f"{DAGS}/made_by_broken.py"})),
    }
    manager._failed = {file("broken.py")}
    return manager


@pytest.mark.parametrize(
    ("change", "concerned"),
    [
        (saved(f"{DAGS}/a.py"), {"a.py", "broken.py"}),
        (saved(f"{DAGS}/a.sql"), {"a.py"}),
        (saved("/srv/common/shared.py"), {"a.py", "b.py", "broken.py"}),
        (saved("/etc/b.yaml", "/srv/unread.txt"), {"b.py"}),
        (saved("/srv/common/nobody_reads_it.py"), {"broken.py"}),
        (saved(f"{DAGS}/made_by_broken.py"), set()),
        (saved(), set()),
    ],
    ids=["itself", "SQL", "module", "elsewhere", "what a broken file may miss", "what it made itself", "nothing"],
)
def test_concerned(manager: WatchingManager, change: Changes, concerned: set[str]) -> None:
    """A change concerns the DAG files that have read what changed."""
    assert {str(each.rel_path) for each in manager._concerned(change)} == concerned


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Changes(frozenset({f"{DAGS}/new.py"}), frozenset({f"{DAGS}/new.py"})), True),
        (saved(f"{DAGS}/had_no_dag.py"), True),
        (saved(f"{DAGS}/.airflowignore"), True),
        (saved(f"{DAGS}/a.py"), False),
        (saved(f"{DAGS}/a.sql"), False),
        (Changes(frozenset({"/srv/common/new.py"}), frozenset({"/srv/common/new.py"})), False),
    ],
    ids=["new", "first DAG", "ignored files", "an edit", "SQL", "elsewhere"],
)
def test_lists_anew(manager: WatchingManager, change: Changes, *, expected: bool) -> None:
    """DAG files are listed again where their list may differ."""
    assert manager._lists_anew(manager._dag_bundles[0], change) is expected

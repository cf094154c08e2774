"""A file that is saved on the host is served by the containers, with file events and without."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from devkit.parsing import parsing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.containers.stack import Stack

NAME = "probe_reload"
DAG = """
from airflow.sdk import dag, task
from common.{name} import VALUE

@dag(schedule=None, tags=["{value}", VALUE])
def {name}():
    @task
    def tell():
        return VALUE
    tell()

{name}()
"""


def dag(value: str) -> str:
    """Give a DAG file whose tags are a value and its module's."""
    return DAG.format(name=NAME, value=value)


def tags(stack: Stack) -> list[str] | None:
    """Give the DAG's tags; None where it is not on the list."""
    found = stack.api.get("/dags", dag_id_pattern=NAME)["dags"]
    return sorted(tag["name"] for tag in found[0]["tags"]) if found else None


def noticed_by(stack: Stack) -> str:
    """Give how edits are noticed, as `./dev status` says."""
    return parsing(stack.place).edits_noticed_by


@pytest.fixture
def file(stack: Stack) -> Iterator[Path]:
    """A DAG file on the host; the module that it imports is there."""
    file, module = stack.checkout / f"dags/{NAME}.py", stack.checkout / f"common/{NAME}.py"
    module.write_text("VALUE = 'module 1'\n")
    yield file
    for path in (file, module):
        path.unlink(missing_ok=True)
    stack.wait_for(lambda: tags(stack) is None, "the DAG's end")


def test_new_edited_and_deleted_files_are_served_as_they_are_on_the_host(stack: Stack, file: Path) -> None:
    file.write_text(dag("dag 1"))
    stack.wait_for(lambda: tags(stack) == ["dag 1", "module 1"], "the new file")
    file.write_text(dag("dag 2"))
    stack.wait_for(lambda: tags(stack) == ["dag 2", "module 1"], "the edit")
    stack.wait_for(lambda: stack.api.get(f"/dagSources/{NAME}")["content"] == file.read_text(), "its source")
    (file.parent.parent / f"common/{NAME}.py").write_text("VALUE = 'module 2'\n")
    stack.wait_for(lambda: tags(stack) == ["dag 2", "module 2"], "the edit of the module")
    assert noticed_by(stack) == "events"
    run = stack.trigger(NAME)
    assert stack.finish(NAME, run) == "success"
    told = stack.api.get(f"/dags/{NAME}/dagRuns/{run}/taskInstances/tell/xcomEntries/return_value")["value"]
    assert told == "module 2"
    file.unlink()
    stack.wait_for(lambda: tags(stack) is None, "the deletion")


def test_where_no_file_events_reach_the_container_it_polls_and_status_says_so(stack: Stack, file: Path) -> None:
    """A file that is written by another name, outside of the mounted folder, sends no event into the container."""
    file.write_text(dag("by its name"))
    stack.wait_for(lambda: tags(stack) == ["by its name", "module 1"], "the new file")
    elsewhere = stack.checkout / "another_name.py"
    os.link(file, elsewhere)
    elsewhere.write_text(dag("without an event"))
    stack.wait_for(lambda: tags(stack) == ["module 1", "without an event"], "the edit without an event")
    stack.wait_for(lambda: noticed_by(stack) == "polling", "the report")
    elsewhere.write_text(dag("again without one"))
    stack.wait_for(lambda: tags(stack) == ["again without one", "module 1"], "the next edit")
    elsewhere.unlink()
    file.write_text(dag("by its name again"))
    stack.wait_for(lambda: noticed_by(stack) == "events", "the report")

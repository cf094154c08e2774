"""Parse every DAG file where no connection can be made, and print what was found, as JSON. Run by test_integrity."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from airflow.hooks.base import BaseHook
from airflow.models.dagbag import DagBag
from airflow.sdk import Connection, Variable
from airflow.serialization.serialized_objects import SerializedDAG

HEAVY = ("boto3", "google.auth", "ijson", "pandas", "pyarrow", "slack_sdk", "snowflake.connector", "workbench")


def refuse(*args: Any, **kwargs: Any) -> NoReturn:
    raise AssertionError(f"a DAG file reaches out while it is imported: {args} {kwargs}")


socket.socket.connect = refuse  # type: ignore[method-assign]
socket.getaddrinfo = refuse
Variable.get = refuse
Connection.get = refuse
BaseHook.get_connection = refuse

before = set(sys.modules)
bag = DagBag(sys.argv[1], include_examples=False)
for dag in bag.dags.values():
    dag.relative_fileloc = Path(dag.fileloc).name
found = {
    "import_errors": bag.import_errors,
    "heavy": sorted(set(HEAVY) & (set(sys.modules) - before)),
    "dags": {
        dag_id: {
            "file": Path(dag.fileloc).name,
            "doc": bool(dag.doc_md),
            "tags": sorted(dag.tags),
            "callback": getattr(dag.on_failure_callback, "__name__", None),
            "tasks": {
                task.task_id: {
                    "callback": [callback.__name__ for callback in task.on_failure_callback or ()]
                    if isinstance(task.on_failure_callback, list | tuple)
                    else [getattr(task.on_failure_callback, "__name__", None)],
                    "owner": task.owner,
                    "timeout": task.execution_timeout.total_seconds() if task.execution_timeout else None,
                    "outlets": [asset.name for asset in task.outlets],
                }
                for task in dag.tasks
            },
            "serialized": SerializedDAG.to_dict(dag),
        }
        for dag_id, dag in bag.dags.items()
    },
}
print("\n" + json.dumps(found, sort_keys=True, default=str))

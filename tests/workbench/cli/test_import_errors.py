"""A broken DAG file is reported with the line that a person has to fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.cli.import_errors import ImportError_, parse

ROOT = Path("/home/me/workbench")
DAG = f'  File "{ROOT}/dags/telecoms/load.py", line 7, in <module>\n    from common import assets\n'
COMMON = f'  File "{ROOT}/common/assets.py", line 3\n    Asset(\n'
LIBRARY = f'  File "{ROOT}/.venv/lib/python3.11/site-packages/airflow/sdk/dag.py", line 99, in dag\n    raise\n'


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        (DAG + "ModuleNotFoundError: no", ImportError_("dags/telecoms/load.py", 7, "ModuleNotFoundError: no")),
        (DAG + COMMON + "SyntaxError: no", ImportError_("common/assets.py", 3, "SyntaxError: no")),
        (DAG + LIBRARY + "TypeError: no", ImportError_("dags/telecoms/load.py", 7, "TypeError: no")),
        ("took too long", ImportError_("dags/telecoms/load.py", None, "took too long")),
        ("", ImportError_("dags/telecoms/load.py", None, "Airflow recorded no reason")),
    ],
    ids=["its own line", "a line of what it imports", "not a line of a library", "no traceback", "nothing at all"],
)
def test_line(trace: str, expected: ImportError_) -> None:
    """The deepest line of the checkout's own code is named."""
    assert parse("telecoms/load.py", trace, ROOT) == expected

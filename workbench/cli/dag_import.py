"""Import DAG files as the dag-processor would and print what fails: the hook behind "changed DAG files import"."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from pathlib import Path

from workbench.airflow.launcher import import_svcs_alone


def main(files: list[str]) -> int:
    """Print one entry for each file that does not import.

    :return: 1 where one fails, else 0.
    """
    # A short process: looking for garbage, and the web frameworks that svcs loads, take a third of its time.
    gc.disable()
    with tempfile.TemporaryDirectory() as home:
        Path(home, "airflow.cfg").touch()  # where there is none, importing Airflow writes one
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL",
        }
        import_svcs_alone()
        from airflow.models.dagbag import DagBag  # noqa: PLC0415 - after its environment is set

        errors = {
            file: error for file in files for error in DagBag(file, include_examples=False).import_errors.values()
        }
    for file, error in errors.items():
        print(f"{file} does not import:\n{error}", file=sys.stderr)
    return bool(errors)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

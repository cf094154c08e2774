"""Import DAG files as the dag-processor would and print what fails: the hook behind "changed DAG files import"."""

from __future__ import annotations

import os
import sys
import tempfile


def main(files: list[str]) -> int:
    """Print one entry for each file that does not import.

    :return: 1 where one fails, else 0.
    """
    with tempfile.TemporaryDirectory() as home:  # importing Airflow writes its configuration there
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL",
        }
        from airflow.models.dagbag import DagBag  # noqa: PLC0415 - after its environment is set

        errors = {
            file: error for file in files for error in DagBag(file, include_examples=False).import_errors.values()
        }
    for file, error in errors.items():
        print(f"{file} does not import:\n{error}", file=sys.stderr)
    return bool(errors)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

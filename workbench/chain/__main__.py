"""`python -m workbench.chain`: run a chain inside Airflow's environment and print its result as JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

from workbench.chain import report, request, run
from workbench.chain.dags import Graph, read_dags
from workbench.errors import UserError


def main() -> int:
    """Run the chain of the command line; the tasks' logs go to standard error.

    :return: the exit status.
    """
    parser = argparse.ArgumentParser("python -m workbench.chain", description="Run a DAG and all that it triggers.")
    request.add_arguments(parser)
    asked = request.read(parser, parser.parse_args())
    try:
        with contextlib.redirect_stdout(sys.stderr):
            files = read_dags()
            result = run.run(request.resolve(asked, files, Graph(files.dags)), asked.first)
    except UserError as error:
        print(json.dumps({"ok": False, "error": error.to_json()}))
        return 1
    print(json.dumps(report.to_json(result)))
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())

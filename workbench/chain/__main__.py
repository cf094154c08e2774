"""`python -m workbench.chain`: run a chain inside Airflow's environment, and print its record."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

from workbench.chain import live, record, request
from workbench.chain.dags import read_dags
from workbench.chain.graph import Graph
from workbench.errors import UserError


def main() -> int:
    """Run what the command line asks for; the tasks' logs go to standard error."""
    parser = argparse.ArgumentParser("python -m workbench.chain", description="Run a DAG and what its events wake.")
    request.add_arguments(parser)
    asked = request.read(parser, parser.parse_args())
    try:
        with contextlib.redirect_stdout(sys.stderr):
            files = read_dags()
            followed = live.run(request.begin(asked, files, Graph(files.dags)), asked.first)
    except UserError as error:
        print(json.dumps({"ok": False, "error": {"what": error.what, "why": error.why, "fix": error.fix}}))
        return 1
    print(json.dumps(record.to_json(followed)))
    return 0 if followed.ok else 1


if __name__ == "__main__":
    sys.exit(main())

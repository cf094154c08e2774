"""`python -m workbench.debug`: run one DAG where Airflow's environment is set and there is no `./dev`."""

from __future__ import annotations

import argparse
import sys

from workbench.debug import arguments, main_block, run


def main() -> int:
    """Run the DAG of the command line.

    :return: the exit status.
    """
    parser = argparse.ArgumentParser(
        "python -m workbench.debug", description="Run one DAG once, without the live Airflow."
    )
    arguments.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object for scripts")
    args = parser.parse_args()
    request = arguments.request(parser, args)
    done = main_block.run_here(lambda: run.run(request), as_json=args.json)
    return 0 if done and done.ok else 1


if __name__ == "__main__":
    sys.exit(main())

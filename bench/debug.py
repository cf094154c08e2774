"""Time F5 up to its first breakpoint, beside the imports that any program with Airflow in it pays.

F5 is the entry "Python: debug current DAG" of `launch.json` as VS Code resolves it, on a DAG file of one task; it ends
when the program stands in the task's first line. The imports are `python -c "import airflow.sdk, airflow.models"`.
Both by turns on the same machine. The first F5 of all, which also makes the debugger's database, is shown by itself.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from stack import plain_environment

from tests.dap import Debugger, Place

ROOT = Path(__file__).resolve().parent.parent
NAME = "Python: debug current DAG"
IMPORTS = "import airflow.sdk, airflow.models"
DAG = """\
from airflow.sdk import dag, task


@dag(schedule=None)
def bench_debug():
    @task
    def stop_here():
        answer = 42
        return answer

    stop_here()


bench_debug()
"""


def main() -> None:
    """Measure by turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each sort (5); the median counts")
    args = parser.parse_args()
    stopped, imported = [], []
    with tempfile.TemporaryDirectory(prefix="bench-debug-") as folder:
        file = Path(folder, "bench_debug.py")
        file.write_text(DAG)
        environment = plain_environment() | {"WORKBENCH_MODE": "native"}
        place = Place(ROOT, environment)
        first = to_breakpoint(file, place)
        print(f"the first one, after whatever is not yet in the page cache: {first:.2f} s", flush=True)
        for _ in range(args.runs):
            imported.append(imports(Path(folder), environment))
            stopped.append(to_breakpoint(file, place))
            print(f"imports {imported[-1]:.2f} s, F5 {stopped[-1]:.2f} s", flush=True)
    ours, theirs = median(stopped), median(imported)
    print(f"\n{'seconds':<44}{'F5':>10}{'imports':>10}{'ratio':>8}")
    print(f"{'launch to first breakpoint, median':<44}{ours:>10.2f}{theirs:>10.2f}{ours / theirs:>8.2f}")


def to_breakpoint(file: Path, place: Place) -> float:
    """Return the seconds from F5 to the stop in the task."""
    line = DAG.splitlines().index("        answer = 42") + 1
    began = time.monotonic()
    with Debugger(place.entry(NAME, file), {file: [line]}, place) as debugger:
        stop = debugger.stop()
        seconds = time.monotonic() - began
        stop.resume()
        if debugger.exit_code():
            sys.exit(debugger.text)
    return seconds


def imports(folder: Path, environment: dict[str, str]) -> float:
    """Return the seconds of a Python that imports Airflow and does nothing."""
    own = environment | {"AIRFLOW_HOME": str(folder), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], env=own, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


if __name__ == "__main__":
    main()

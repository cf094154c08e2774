"""Time each kind of edit from the save to the REST API serving it, and weigh idle CPU: the workbench beside stock.

Both get six DAG files that read a module and an SQL file. Stock takes up to five minutes to see some edits, so it sees
all kinds of them at the same time, each kind in files of its own, and fewer of them. With `--docker` both run in
containers, and only the edits are measured.
"""

from __future__ import annotations

import argparse
import random
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import containers
import httpx
import psutil
from stack import KINDS, Stack, Stock, Workbench, prepared, table, take_precedence, until

from tests.containers.harness import engine
from workbench.cli.client import AirflowApi
from workbench.cli.services import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = 6
#: The longest that stock takes is five minutes for the list of files and half of one for a parse.
PATIENCE = 420
#: Stock shows a DAG's edits at most every 30 s; each but the one that is meant to be quick comes after that.
REST = 35
DAG = """
from pathlib import Path
from airflow.sdk import dag, task
from common.bench_reload import VALUE

# {longer}
@dag(schedule=None, tags=["{value}", "module " + str(VALUE), Path(__file__).with_name("bench.sql").read_text()])
def {name}():
    @task
    def tell():
        return "{value}"
    tell()

{name}()
"""
MANY = """
from airflow.sdk import dag, task

@dag(schedule=None)
def many_{number}():
    @task
    def tell():
        return 1
    tell()

many_{number}()
"""
#: Seconds after which ours parses a file again that nobody has touched; stock: 30.
AGAIN = 600


class Ours(Workbench):
    """`./dev up` with the DAG files of this benchmark."""

    def _copy(self) -> None:
        super()._copy()
        shutil.rmtree(self.dags)
        write_files(self.dags, self.common)

    @property
    def dags(self) -> Path:
        """The folder of DAG files."""
        return self.root / "dags"

    @property
    def common(self) -> Path:
        """The folder of modules."""
        return self.root / "common"


class StockWithFiles(Stock):
    """Stock settings with the DAG files of this benchmark."""

    def prepare(self) -> None:
        """Write the files first."""
        write_files(self.dags, self.common)
        super().prepare()

    @property
    def dags(self) -> Path:
        """The folder of DAG files."""
        return self.folder / "dags"

    @property
    def common(self) -> Path:
        """The folder of modules."""
        return self.folder / "path/common"

    def _environment(self) -> dict[str, str]:
        own = {"AIRFLOW__CORE__DAGS_FOLDER": str(self.dags), "PYTHONPATH": str(self.common.parent)}
        return super()._environment() | own


def write_files(dags: Path, common: Path) -> None:
    """Make six DAG files, and what they read."""
    for folder in (dags, common):
        folder.mkdir(parents=True, exist_ok=True)
    (common / "__init__.py").touch()
    (common / "bench_reload.py").write_text("VALUE = 0\n")
    (dags / "bench.sql").write_text("SELECT 0")
    for number in range(FILES):
        (dags / f"bench_{number}.py").write_text(DAG.format(name=f"bench_{number}", value=0, longer=""))


@dataclass
class Editor:
    """Saves files of one stack and waits for its API; one for each thread."""

    stack: Any

    def __post_init__(self) -> None:
        """Log in."""
        self.api = AirflowApi(f"http://127.0.0.1:{self.stack.port}", "admin", self.stack.password)

    def save(self, name: str, value: int) -> None:
        """Save a DAG file."""
        # Another size each time: of an edit within the same second that leaves it, stock executes the bytecode before.
        (self.stack.dags / f"{name}.py").write_text(DAG.format(name=name, value=value, longer="longer " * value))

    def serves(self, name: str, value: int) -> bool:
        """Whether source and details are those of a version."""
        source = self.api.get(f"/dagSources/{name}")["content"]
        return f'return "{value}"' in source and str(value) in self.tags(name)

    def tags(self, name: str) -> set[str]:
        """Return the tags of a DAG, as the api-server's own copy has them."""
        return {tag["name"] for tag in self.api.get(f"/dags/{name}/details")["tags"]}

    def listed(self, name: str) -> bool:
        """Whether a DAG is on the list."""
        return bool(self.api.get("/dags", dag_id_pattern=name)["dags"])

    def broken(self, name: str) -> bool:
        """Whether a file has an import error."""
        return any(f"/{name}.py" in error["filename"] for error in self.api.get("/importErrors")["import_errors"])


def wait(what: str, condition: Callable[[], bool]) -> float:
    """Return the seconds until a condition holds."""

    def holds() -> bool:
        with suppress(httpx.HTTPStatusError):  # there is no such DAG yet
            return condition()
        return False

    began = time.monotonic()
    until(holds, what, PATIENCE, every=0.05)
    return time.monotonic() - began


def one_edit(edit: Editor, turn: int) -> dict[str, float]:
    """Save one file."""
    edit.save("bench_0", turn)
    return {"an edit": wait("the edit", lambda: edit.serves("bench_0", turn))}


def two_edits(edit: Editor, turn: int) -> dict[str, float]:
    """Save twice; the time is that of the second."""
    edit.save("bench_1", 2 * turn)
    time.sleep(0.3)
    edit.save("bench_1", 2 * turn + 1)
    return {"a second edit 0.3 s later": wait("the second", lambda: edit.serves("bench_1", 2 * turn + 1))}


def come_and_go(edit: Editor, turn: int) -> dict[str, float]:
    """Add a file, then delete it."""
    name = f"bench_new_{turn}"
    edit.save(name, turn)
    new = wait("the new file", lambda: edit.listed(name) and edit.serves(name, turn))
    (edit.stack.dags / f"{name}.py").unlink()
    return {"a new file": new, "a deleted file": wait("the deletion", lambda: not edit.listed(name))}


def module(edit: Editor, turn: int) -> dict[str, float]:
    """Save a module that all six files import; the time is that of the last of them."""
    (edit.stack.common / "bench_reload.py").write_text(f"VALUE = {turn}\n")
    names = [f"bench_{number}" for number in range(FILES)]
    seconds = wait("the module", lambda: all(f"module {turn}" in edit.tags(name) for name in names))
    return {"a module, until all 6 DAGs have it": seconds}


def query(edit: Editor, turn: int) -> dict[str, float]:
    """Save an SQL file that all six files read; the time is that of the first one listed."""
    (edit.stack.dags / "bench.sql").write_text(f"SELECT {turn}")
    return {"an SQL file": wait("the SQL", lambda: f"SELECT {turn}" in edit.tags("bench_2"))}


def break_and_fix(edit: Editor, turn: int) -> dict[str, float]:
    """Save a syntax error, then fix it."""
    (edit.stack.dags / "bench_3.py").write_text(f"# {turn}: airflow dag\nvalue = (\n")
    broken = wait("the import error", lambda: edit.broken("bench_3"))
    edit.save("bench_3", turn)
    fixed = wait("its fixing", lambda: not edit.broken("bench_3") and edit.serves("bench_3", turn))
    return {"a syntax error": broken, "its fixing": fixed}


EDITS = (one_edit, two_edits, come_and_go, module, query, break_and_fix)


def measure_edits(stack: Stack | containers.Project, kind: str, args: argparse.Namespace) -> dict[str, list[float]]:
    """Make all edits of a stack."""
    results: dict[str, list[float]] = {}
    ours = kind == "ours"
    turns = args.turns if ours else args.stock_turns

    def make(edits: Callable[[Editor, int], dict[str, float]]) -> None:
        edit = Editor(stack)
        for turn in range(1, 1 + (turns if ours or edits is not come_and_go else 1)):
            time.sleep((0 if ours else REST) + random.uniform(0, 1))  # noqa: S311 at any moment of Airflow's second
            for name, seconds in edits(edit, turn).items():
                results.setdefault(name, []).append(seconds)
                print(f"{kind}: {name}: {seconds:.2f} s", flush=True)

    threads = [threading.Thread(target=make, args=(edits,), daemon=True) for edits in EDITS]
    for thread in threads:
        thread.start()
        if ours:
            thread.join()
    for thread in threads:
        thread.join()
    return results


def cpu_seconds(stack: Stack) -> float:
    """Return the processor time of the four components and their ended children."""
    total = 0.0
    for name in COMPONENTS:
        for process in stack.processes().get(name, []):
            with suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])
    return total


def idle_cpu(stack: Stack, seconds: float) -> float:
    """Return the share of a core in percent that the four components take."""
    before, began = cpu_seconds(stack), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(stack) - before) / (time.monotonic() - began)


def measure(stack: Stack, args: argparse.Namespace) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Run one sort through everything."""
    ours = stack.kind == "ours"
    stack.start()
    wait_for_dags(stack, FILES)
    time.sleep(20)
    cpu = {"6 DAG files": idle_cpu(stack, args.idle)}
    stack.take_precedence()
    edits = measure_edits(stack, stack.kind, args)
    stack.stop()
    stack.start()  # without precedence; and stock would list new files only after five minutes
    wait_for_dags(stack, FILES)
    before = cpu_seconds(stack)
    for number in range(args.many):
        (stack.dags / f"many_{number}.py").write_text(MANY.format(number=number))  # type: ignore[attr-defined]
    if ours:
        wait_for_dags(stack, FILES + args.many)
    else:  # it parses so many without a pause: all were due again before the last was done
        stack.stop()
        stack.start()
    all_parsed = cpu_seconds(stack) - before
    time.sleep(30)
    cpu[f"{FILES + args.many} DAG files"] = idle_cpu(stack, args.idle)
    if ours:  # the time that was weighed has no part of that
        cpu[f"{FILES + args.many} DAG files"] += 100 * all_parsed / AGAIN
    return edits, cpu


def measure_in_containers(kind: str, args: argparse.Namespace) -> dict[str, list[float]]:
    """Run one sort in containers through all edits."""
    with engine.running() as docker, containers.prepared(docker, kind) as project:
        shutil.rmtree(project.dags)
        write_files(project.dags, project.common)
        project.up()
        api = Editor(project).api
        until(lambda: len(api.get("/dags")["dags"]) == FILES, f"{FILES} DAGs", PATIENCE)
        return measure_edits(project, kind, args)


def main() -> None:
    """Measure both and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15, help="edits of each kind (15)")
    parser.add_argument(
        "--stock-turns",
        type=int,
        default=3,
        help="edits of each kind in stock Airflow, files that come and go once (3)",
    )
    parser.add_argument("--idle", type=int, default=90, help="seconds of idling that are weighed (90)")
    parser.add_argument("--many", type=int, default=300, help="DAG files of the second weighing (300)")
    parser.add_argument("--only", choices=["ours", "stock"], help="leave the other out")
    parser.add_argument("--docker", action="store_true", help="in containers")
    args = parser.parse_args()
    KINDS.update(ours=Ours, stock=StockWithFiles)
    take_precedence()
    edits: dict[str, dict[str, list[float]]] = {"ours": {}, "stock": {}}
    cpu: dict[str, dict[str, float]] = {"ours": {}, "stock": {}}
    for kind in [args.only] if args.only else ["ours", "stock"]:
        if args.docker:
            edits[kind] = measure_in_containers(kind, args)
            continue
        with prepared(kind) as stack:
            edits[kind], cpu[kind] = measure(stack, args)
            print(kind, cpu[kind], flush=True)
    for title, count in (("seconds until it is served, median", median), ("worst", max)):
        rows = {name: (count(edits["ours"].get(name, [0])), count(edits["stock"].get(name, [0]))) for name in NAMES}
        table(title, rows, 2)
    rows = {name: (cpu["ours"].get(name, 0), cpu["stock"].get(name, 0)) for name in {**cpu["ours"], **cpu["stock"]}}
    if rows:
        table("idle, percent of a core, four components", rows, 1)


NAMES = (
    "an edit",
    "a second edit 0.3 s later",
    "a new file",
    "a deleted file",
    "a module, until all 6 DAGs have it",
    "an SQL file",
    "a syntax error",
    "its fixing",
)


def wait_for_dags(stack: Stack, count: int) -> None:
    """Wait until so many DAGs are known."""
    known = "SELECT count(*) FROM dag WHERE NOT is_stale"
    until(lambda: stack.query(known) == [(count,)], f"{count} DAGs", 900, every=1)


if __name__ == "__main__":
    main()

"""Load ten new partitions after ever longer histories: what a run costs must follow what is new.

The history is copies of one real event and of its row in the warehouse's ledger, a partition each. Between two
histories everything is restarted, and a first partition is loaded before anything is measured. The ten are ingested
while `load_warehouse` is paused, all but the last one, whose event triggers the run. It is done twice: the second time
the DAG's earlier runs are deleted, for to its first run Airflow 3.0.6 hands all events of all time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, cast

import boto3
import psycopg2
import snowflake.connector
import stack as stacks
from stack import MIB, ROOT, Workbench, pss, until

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTITIONS = 10
INGEST, LOAD = "ingest_call_logs", "load_warehouse"
HEADINGS = "Unnamed: 0,call ID,customeR iD,COMPLAINT_catego ry,agent ID,call_start_time,call_end_time,"
HEADINGS += "resolutionstatus,callLogsGenerationDate\n"
EVENTS = """
    INSERT INTO asset_event (asset_id, extra, source_task_id, source_dag_id, source_run_id, source_map_index, timestamp)
    SELECT asset_id, jsonb_set(extra::jsonb, '{partition}', to_jsonb('history ' || n))::json, source_task_id, 'history',
        source_run_id, -1, timestamp - n * interval '1 minute'
    FROM (SELECT * FROM asset_event WHERE source_dag_id = 'ingest_call_logs' ORDER BY id LIMIT 1) AS one,
        generate_series(1, %s) AS n
"""
LEDGER = """
    INSERT INTO RAW.LOAD_LEDGER
    SELECT dataset, 'history ' || n, load_id || n, etag, row_count, announced_at, batch, published_at
    FROM (SELECT * FROM RAW.LOAD_LEDGER ORDER BY published_at LIMIT 1) AS one,
        (SELECT ROW_NUMBER() OVER (ORDER BY 1) AS n FROM TABLE(GENERATOR(ROWCOUNT => {}))) AS numbers
"""


class Pipeline(Workbench):
    """The workbench with its own DAGs."""

    def _copy(self) -> None:
        super()._copy()
        shutil.rmtree(self.root / "dags")
        shutil.copytree(ROOT / "dags", self.root / "dags", ignore=shutil.ignore_patterns("__pycache__"))

    def change(self, statement: str, *values: Any) -> None:
        """Change Airflow's database."""
        session = psycopg2.connect(host=str(self.socket_folder), user="airflow", dbname="airflow")
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute(statement, values)
        session.close()

    def warehouse(self, *statements: str) -> None:
        """Run statements in the warehouse."""
        environment = self.settings.environment
        os.environ["REQUESTS_CA_BUNDLE"] = environment["REQUESTS_CA_BUNDLE"]
        connection = json.loads(environment["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
        extra = {name: connection["extra"][name] for name in ("account", "host", "port", "database")}
        with snowflake.connector.connect(
            user=connection["login"], password=connection["password"], insecure_mode=True, **extra
        ) as session:
            for statement in statements:
                session.cursor().execute(statement)

    def put_calls(self, day: str) -> None:
        """Make the source file of one day."""
        connection = json.loads(self.settings.environment["AIRFLOW_CONN_AWS_DEFAULT"])
        keys = {"aws_access_key_id": connection["login"], "aws_secret_access_key": connection["password"]}
        s3 = boto3.client("s3", endpoint_url=connection["extra"]["endpoint_url"], region_name="us-east-1", **keys)
        lines = [f"{n},{day}-{n},1,Billing,1001,{day} 08:00:00,{day} 08:05:00,Resolved,{day}\n" for n in range(100)]
        bucket = self.settings.environment["TELECOMS_SOURCE_BUCKET"]
        key = f"call logs/call_logs_day_{day}.csv"
        s3.put_object(Bucket=bucket, Key=key, Body=(HEADINGS + "".join(lines)).encode())

    def ingest(self, days: list[str]) -> None:
        """Ingest days, and wait for their end."""
        for day in days:
            self.put_calls(day)
        runs = [self.trigger(INGEST, partition=day) for day in days]
        until(lambda: all(self.succeeded(run) for run in runs), "the ingest", 300, every=0.2)


@dataclass
class Bench:
    """One environment, and the days that it has not seen yet."""

    stack: Pipeline
    seconds_at_most: float
    days: Iterator[str] = field(
        default_factory=lambda: (str(date(2020, 1, 1) + timedelta(days=n)) for n in itertools.count())
    )

    def first(self) -> None:
        """Load one real partition, which the history is made of."""
        self.stack.unpause(INGEST, LOAD)
        self.stack.ingest([next(self.days)])
        self._loaded(1)

    def measure(self, history: int) -> dict[str, float]:
        """Make the history, and load ten partitions, twice."""
        stack = self.stack
        stack.change("DELETE FROM asset_event WHERE source_dag_id = 'history'")
        stack.change(EVENTS, history)
        stack.change("ANALYZE")
        stack.warehouse("DELETE FROM RAW.LOAD_LEDGER WHERE partition_key LIKE 'history%'", LEDGER.format(history))
        stack.stop()
        stack.start()
        stack.take_precedence()
        before = self._loads()
        stack.ingest([next(self.days)])
        self._loaded(before + 1)
        found = self._load()
        stack.change("DELETE FROM dag_run WHERE dag_id = %s", LOAD)
        return found | {f"first {name}": value for name, value in self._load().items()}

    def _load(self) -> dict[str, float]:
        """Load ten partitions; give the seconds of the run and of its first task, and the api-server's memory."""
        stack, days = self.stack, [next(self.days) for _ in range(PARTITIONS)]
        stack.api.patch(f"/dags/{LOAD}", {"is_paused": True})
        stack.ingest(days[:-1])
        stack.api.patch(f"/dags/{LOAD}", {"is_paused": False})
        before = self._loads()
        with peak(stack) as memory:
            stack.ingest(days[-1:])
            try:
                self._loaded(before + 1)
            except TimeoutError:
                return {"run": math.inf, "plan": math.inf, "api": max(memory)}
        run = "SELECT run_id, extract(epoch FROM end_date - start_date) FROM dag_run WHERE dag_id = %s ORDER BY id DESC"
        run_id, seconds = (stack.query(run, LOAD) or [("", 0)])[0]
        plan = "SELECT duration FROM task_instance WHERE run_id = %s AND task_id = 'plan'"
        return {"run": float(seconds), "plan": (stack.query(plan, run_id) or [(0,)])[0][0], "api": max(memory)}

    def _loads(self) -> int:
        ended = "SELECT count(*) FROM dag_run WHERE dag_id = %s AND run_type = 'asset_triggered' AND state = 'success'"
        return int((self.stack.query(ended, LOAD) or [(0,)])[0][0])

    def _loaded(self, count: int) -> None:
        until(lambda: self._loads() >= count, "the load", self.seconds_at_most, every=0.2)


@contextmanager
def peak(stack: Pipeline) -> Iterator[list[float]]:
    """Collect the api-server's memory in MiB until the block ends."""
    found: list[float] = [0]
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.1):
            found.append(sum(pss(process.pid) for process in stack.processes()["api-server"]) / MIB)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def main() -> None:
    """Measure each history and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[100, 5_000, 50_000], help="(100 5000 50000)")
    parser.add_argument("--patience", type=float, default=300, help="seconds that a load may take (300)")
    args = parser.parse_args()
    stacks.KINDS["pipeline"] = Pipeline
    with stacks.running("pipeline") as stack:
        bench = Bench(cast("Pipeline", stack), args.patience)
        bench.first()
        names = [f"{which}{name}" for which in ("", "first ") for name in ("run", "plan", "api")]
        print(f"{'events before':>14}" + "".join(f"{name:>12}" for name in names))
        for history in args.events:
            began = time.monotonic()
            found = bench.measure(history)
            row = "".join(f"{found[name]:>12.1f}" for name in names)
            print(f"{history:>14,}{row}    ({time.monotonic() - began:.0f} s in all)", flush=True)


if __name__ == "__main__":
    main()

"""Ingest one large CSV: the pipeline's streaming way beside pandas' `read_csv` and `to_parquet`.

Each runs in a fresh process that has imported what a task has (Airflow's SDK, boto3, the pipeline's code); its peak
resident memory and rows a second are taken there. With `--s3` ours reads from and writes to the S3 emulator, as the
task does; without, both read and write the same disk.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from stack import ROOT, table

MIB = 1 << 20
HEADINGS = ["", "call ID", "customeR iD", "COMPLAINT_catego ry", "agent ID", "call_start_time", "call_end_time"]
HEADINGS += ["resolutionstatus", "callLogsGenerationDate"]
DAY = "2025-11-20"
BUCKET = "bench"


def main() -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the CSV (1024)")
    parser.add_argument("--s3", action="store_true", help="ours through the S3 emulator")
    parser.add_argument("--only", choices=["ours", "pandas"], help="leave the other out")
    parser.add_argument("--in-this-process", metavar="WAY", help=argparse.SUPPRESS)
    args, rest = parser.parse_known_args()
    if args.in_this_process:
        work(args.in_this_process, Path(rest[0]))
        return
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
        file = Path(folder) / "call_logs.csv"
        rows = make_csv(file, args.mib * MIB)
        print(f"{file.stat().st_size / MIB:.0f} MiB, {rows:,} rows", flush=True)
        results: dict[str, dict[str, float]] = {"ours": {}, "pandas": {}}
        for way in [args.only] if args.only else ["ours", "pandas"]:
            results[way] = measure("s3" if way == "ours" and args.s3 else way, file)
            print(way, results[way], flush=True)
    names = {"peak RSS, MiB": "peak_mib", "above its imports, MiB": "above_mib", "rows a second": "rows_per_second"}
    table(
        "ingest (stock = pandas)",
        {n: (results["ours"].get(k, 0), results["pandas"].get(k, 0)) for n, k in names.items()},
    )


def make_csv(file: Path, size: int) -> int:
    """Write call logs of about this size, with quoted cells and two forms of dates.

    :return: the number of rows.
    """
    rng = random.Random(20251120)  # noqa: S311 not for secrets
    start = datetime.fromisoformat(DAY)
    rows, number = 0, itertools.count()
    with file.open("w", newline="", encoding="utf-8", buffering=1 << 20) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEADINGS)
        while stream.tell() < size:
            for _ in range(20_000):
                index = next(number)
                began = start + timedelta(seconds=rng.randrange(86_400))
                ended = began + timedelta(seconds=rng.randrange(1, 3_600))
                shown = DAY if index % 3 else "20/11/2025"
                category = rng.choice(["Payments", "Network Failure", "Technical Support", 'Billing, "late"'])
                ids = (index, f"{rng.getrandbits(64):016x}", rng.randrange(10**6))
                outcome = rng.choice(["Resolved", "Backlog", " In-Progress "])
                writer.writerow([*ids, category, rng.randrange(1000), began, ended, outcome, shown])
                rows += 1
    return rows


def measure(way: str, file: Path) -> dict[str, float]:
    """Run one way in a process of its own."""
    command = [sys.executable, __file__, "--in-this-process", way, str(file)]
    environment = os.environ | {"AIRFLOW_HOME": str(file.parent), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    environment["MALLOC_ARENA_MAX"] = "2"  # as compose/airflow.env has it
    output = subprocess.run(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()[-1]
    found: dict[str, float] = json.loads(output)
    return found


def work(way: str, file: Path) -> None:
    """Do it here and print what it took, as JSON on the last line."""
    import airflow.sdk.execution_time.task_runner  # noqa: F401 a task has it
    import boto3

    if way == "s3":
        from workbench.emulators import serve

        with serve() as connections:
            os.environ |= connections.env()
            aws = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
            s3 = boto3.client(
                "s3",
                endpoint_url=connections.s3_url,
                aws_access_key_id=aws["login"],
                aws_secret_access_key=aws["password"],
                region_name="us-east-1",
            )
            s3.create_bucket(Bucket=BUCKET)
            command = [sys.executable, "-c", UPLOAD, connections.s3_url, str(file), BUCKET]
            subprocess.run(command, check=True)  # another process: uploading must not count
            report(lambda: through_s3(s3))
    else:
        report(lambda: {"ours": streaming, "pandas": with_pandas}[way](file))


UPLOAD = f"""
import boto3, sys
s3 = boto3.client("s3", endpoint_url=sys.argv[1], aws_access_key_id="test", aws_secret_access_key="testsecret",
                  region_name="us-east-1")
s3.upload_file(sys.argv[2], sys.argv[3], "call logs/call_logs_day_{DAY}.csv")
"""


def report(job) -> None:  # noqa: ANN001 a function without arguments that gives a number of rows
    """Time a job and print what it took."""
    before = peak()
    began = time.monotonic()
    rows = job()
    seconds = time.monotonic() - began
    print(json.dumps({"peak_mib": peak(), "above_mib": peak() - before, "rows_per_second": rows / seconds}))


def peak() -> float:
    """Return the highest resident memory so far, in MiB."""
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / (1024 if sys.platform == "linux" else MIB)


def streaming(file: Path) -> int:
    """Go the pipeline's way, on files."""
    from common.datasets import CALL_LOGS
    from common.ingest import convert

    with file.open("rb") as source, file.with_suffix(".ours.parquet").open("wb") as sink:
        return convert(source, sink, CALL_LOGS, file.name)


def through_s3(s3) -> int:  # noqa: ANN001 boto3's clients have no class
    """Go the pipeline's way, from S3 to S3."""
    from common.datasets import CALL_LOGS
    from common.ingest import ingest_object

    return ingest_object(s3, CALL_LOGS, DAY, source_bucket=BUCKET, lake_bucket=BUCKET)["rows"]


def with_pandas(file: Path) -> int:
    """Go the usual way."""
    import pandas as pd

    frame = pd.read_csv(file, dtype=str, index_col=0)
    frame.to_parquet(file.with_suffix(".pandas.parquet"), index=False)
    return len(frame)


if __name__ == "__main__":
    main()

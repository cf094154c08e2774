"""A sample of each kind of alert, for `./dev alert` and for tests."""

from __future__ import annotations

from dataclasses import replace

from common.alerts.message import Failure

_TASK = Failure(
    dag="ingest_call_logs",
    run="scheduled__2025-11-20T00:00:00+00:00",
    task="ingest",
    attempt=3,
    attempts=3,
    when="2025-11-20 00:00:00 UTC",
    seconds=4.2,
    owner="telecoms",
    host="scheduler",
)
_TRIGGERED = replace(_TASK, when="", triggered_by=("raw_agents of ingest_agents", "raw_customers of ingest_customers"))


def samples() -> dict[str, Failure]:
    """Return one of each kind, by name."""
    return {
        "exception": replace(_TASK, error="BadDataError: call_logs_day_2025-11-20.csv, row 17: duration is 'x'"),
        "retries": replace(_TASK, error="SourceMissingError: the bucket does not answer"),
        "awkward": replace(_TASK, error="ValueError: <!channel> & `x` ``` <https://example.com|here> *_~ \u202e 🙂"),
        "long": replace(_TASK, error="ValueError: " + "a very long story, " * 500),
        "exit": replace(_TASK, error="SystemExit: 3"),
        "timeout": replace(_TASK, error="AirflowTaskTimeout: Timeout, PID: 123", seconds=3600.0),
        "memory": replace(_TASK, attempt=1, reason="killed: out of memory, limit 2048 MiB"),
        "heartbeat": replace(_TASK, reason="the task and its supervisor do not respond: no heartbeat for 300 s"),
        "mapped": replace(_TASK, map_index=7, error="ValueError: 7"),
        "events": replace(
            _TRIGGERED, dag="load_warehouse", task="load", run="asset_triggered__1", error="OSError: no space left"
        ),
        "run": Failure(
            kind="run", dag="transform_marts", run="manual__2025-11-20T08:00:00+00:00", when="2025-11-20 08:00:00 UTC",
            seconds=7260.0, owner="telecoms", reason="the run took longer than its limit of 2 h 0 min",
        ),
        "burst": Failure(
            kind="burst", dag="ingest_call_logs", run=_TASK.run, when=_TASK.when, owner="telecoms", count=200,
            names=tuple(f"ingest[{index}]" for index in range(10, 200)),
        ),
        "import": Failure(
            kind="import", file="telecoms/ingest_agents.py",
            error='File "telecoms/ingest_agents.py", line 7, in <module>\n    from common import sheet\n'
            "ImportError: cannot import name 'sheet' from 'common'",
        ),
        "fixed": Failure(
            kind="fixed", file="telecoms/ingest_agents.py", reason="it could not be imported for 2 min 10 s"
        ),
        "rule": Failure(
            kind="rule", headline="Few calls: 12 on 2025-11-20", dag="ingest_call_logs", run=_TASK.run,
            reason="Ask the call centre whether the file is complete.",
        ),
        "repeat": replace(_TASK, error="ValueError: sent before", repeat=True),
    }  # fmt: skip

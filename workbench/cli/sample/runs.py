"""Start the ingest DAGs through Airflow's REST API and follow the runs that their events trigger."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import httpx

from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workbench.cli.client import AirflowApi

#: DAGs that write one partition, the whole source, whenever they run.
SNAPSHOT_DAGS = ("ingest_agents", "ingest_customers")
#: DAGs that write one partition a day.
DAILY_DAGS = ("ingest_call_logs", "ingest_social_media")
#: DAGs that events trigger, in the order in which they do.
TRIGGERED_DAGS = ("load_warehouse", "transform_marts")
DAGS = SNAPSHOT_DAGS + DAILY_DAGS + TRIGGERED_DAGS

#: Shown as the cause of a sweep, which runs by time.
BY_TIME = "(by time)"
ACTIVE = frozenset({"queued", "running", "restarting"})
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Run:
    """One DAG run of the pipeline.

    :ivar day: the day whose file an ingest takes; None for the others.
    :ivar triggered_by: the events that caused it, as `asset partition`.
    :ivar wrote: the `extra` of each event that it emitted.
    """

    dag_id: str
    run_id: str
    state: str
    day: date | None
    start: datetime | None
    end: datetime | None
    triggered_by: tuple[str, ...] = ()
    wrote: tuple[dict[str, Any], ...] = ()

    @property
    def seconds(self) -> float | None:
        """Return how long it ran."""
        return (self.end - self.start).total_seconds() if self.start and self.end else None

    @property
    def rows(self) -> int | None:
        """Return the rows that its events report, None if it emitted no event."""
        counts = [extra["rows"] for extra in self.wrote if isinstance(extra.get("rows"), int)]
        return sum(counts) if counts else None


@dataclass
class Pipeline:
    """The runs that one call of `start` causes, and those that their events cause.

    :param api: the running Airflow.
    :param days: the days whose files are ingested.
    :param report: called with each run when it ends.
    """

    api: AirflowApi
    days: tuple[date, ...]
    report: Callable[[Run], None]
    _since: datetime = field(init=False)
    _started: set[tuple[str, str]] = field(init=False, default_factory=set)
    _before: set[tuple[str, str]] = field(init=False, default_factory=set)
    _reported: set[tuple[str, str]] = field(init=False, default_factory=set)
    _known_events: dict[str, list[dict[str, Any]]] = field(init=False, default_factory=dict)

    def start(self) -> None:
        """Run every ingest once: trigger it, or clear the run that its day already has."""
        self._wait_for_dags()
        self._since = self._server_time()
        self._before = {(dag_id, run["dag_run_id"]) for dag_id in TRIGGERED_DAGS for run in self._runs(dag_id)}
        for dag_id in TRIGGERED_DAGS:
            self._unpause(dag_id)
        for dag_id in SNAPSHOT_DAGS:
            self._trigger(dag_id, None)
        for dag_id in DAILY_DAGS:
            runs = {_day(run): run for run in self._runs(dag_id)}
            for day in self.days:
                if day in runs:
                    self._clear(dag_id, runs[day])
                else:
                    self._trigger(dag_id, day)
        for dag_id in SNAPSHOT_DAGS + DAILY_DAGS:
            self._unpause(dag_id)

    def follow(self, timeout: float) -> list[Run]:
        """Wait until all runs have ended.

        :param timeout: seconds.
        :return: the runs in order of cause: by start.
        :raises UserError: where that takes too long.
        """
        deadline = time.monotonic() + timeout
        while True:
            runs = self._collect()
            for run in runs:
                if run.state not in ACTIVE and (run.dag_id, run.run_id) not in self._reported:
                    self._reported.add((run.dag_id, run.run_id))
                    self.report(run)
            if self._is_over(runs):
                return runs
            if time.monotonic() > deadline:
                waiting = ", ".join(f"{run.dag_id} is {run.state}" for run in runs if run.state in ACTIVE)
                raise UserError(
                    f"the demo did not end within {timeout:.0f} s",
                    waiting or "events wait for a DAG run that does not start",
                    "./dev status, then ./dev logs scheduler; ./dev demo can be run again at any time",
                    "demo-timeout",
                )
            time.sleep(POLL_SECONDS)

    def _is_over(self, runs: Iterable[Run]) -> bool:
        """Return whether nothing runs and a run began after every event, or whether a run failed."""
        runs = list(runs)
        if any(run.state in ACTIVE for run in runs) or len(self._started - {(r.dag_id, r.run_id) for r in runs}):
            return False
        if any(run.state == "failed" for run in runs):
            return True
        ingest = [event for dag_id in SNAPSHOT_DAGS + DAILY_DAGS for event in self._events(dag_id)]
        loads = self._events("load_warehouse")
        return self._seen(ingest, runs, "load_warehouse") and self._seen(loads, runs, "transform_marts")

    @staticmethod
    def _seen(events: list[dict[str, Any]], runs: list[Run], dag_id: str) -> bool:
        starts = [run.start for run in runs if run.dag_id == dag_id and run.start]
        return not events or (bool(starts) and max(starts) >= max(_time(event["timestamp"]) for event in events))

    def _collect(self) -> list[Run]:
        found = []
        for dag_id in DAGS:
            events = self._events(dag_id)
            for run in self._runs(dag_id):
                key = (dag_id, run["dag_run_id"])
                if key in self._started or (dag_id in TRIGGERED_DAGS and key not in self._before):
                    found.append(self._run(run, [e for e in events if e["source_run_id"] == key[1]]))
        return sorted(found, key=lambda run: (run.start is None, run.start or datetime.max.replace(tzinfo=UTC)))

    def _run(self, run: dict[str, Any], emitted: list[dict[str, Any]]) -> Run:
        triggered_by: tuple[str, ...] = ()
        if run["run_type"] == "asset_triggered":
            events = self._list_events(f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/upstreamAssetEvents")
            triggered_by = tuple(f"{event['name']} {event['extra'].get('partition', '')}".strip() for event in events)
        elif run["dag_id"] in TRIGGERED_DAGS:
            triggered_by = (BY_TIME,)
        return Run(
            dag_id=run["dag_id"],
            run_id=run["dag_run_id"],
            state=run["state"],
            day=_day(run) if run["dag_id"] in DAILY_DAGS else None,
            start=_time(run["start_date"]),
            end=_time(run["end_date"]),
            triggered_by=triggered_by,
            wrote=tuple(event["extra"] for event in emitted),
        )

    def _runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the runs that may be the demo's: of its days, or since it began; and not the whole history."""
        path = f"/dags/{dag_id}/dagRuns"
        if dag_id in DAILY_DAGS:
            first, last = f"{min(self.days)}T00:00:00Z", f"{max(self.days)}T00:00:00Z"
            return self.api.pages(path, "dag_runs", logical_date_gte=first, logical_date_lte=last)
        return self.api.pages(path, "dag_runs", run_after_gte=self._since.isoformat())

    def _events(self, dag_id: str) -> list[dict[str, Any]]:
        events = self._list_events(f"/assets/events?source_dag_id={dag_id}&order_by=-timestamp&limit=100")
        return [event for event in events if _time(event["timestamp"]) >= self._since]

    def _list_events(self, path: str) -> list[dict[str, Any]]:
        """Return events by time.

        Airflow 3.0.6 answers 500 while a run that one of them triggered is still queued: its `start_date` is null and
        the answer's model forbids that. Until then, the last known answer is returned.
        """
        try:
            events = self.api.get(path)["asset_events"]
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.INTERNAL_SERVER_ERROR:
                raise
        else:
            self._known_events[path] = sorted(events, key=lambda event: event["timestamp"])
        return self._known_events.get(path, [])

    def _wait_for_dags(self, timeout: float = 60) -> None:
        """Wait until the dag-processor has registered all DAGs of the pipeline."""
        deadline = time.monotonic() + timeout
        while missing := set(DAGS) - {dag["dag_id"] for dag in self.api.pages("/dags", "dags")}:
            errors = self.api.pages("/importErrors", "import_errors")
            if errors or time.monotonic() > deadline:
                raise UserError(
                    f"{', '.join(sorted(missing))} of the pipeline cannot run",
                    "; ".join(f"{e['filename']}: {e['stack_trace'].strip().splitlines()[-1]}" for e in errors)
                    or f"Airflow did not find the DAG within {timeout:.0f} s",
                    "fix the file, then ./dev demo; ./dev status shows file and line"
                    if errors
                    else "./dev logs dag-processor",
                    "dags-missing",
                )
            time.sleep(POLL_SECONDS)

    def _server_time(self) -> datetime:
        """Return the time of Airflow's latest event, by its own clock: the two clocks may differ."""
        events = self._list_events("/assets/events?limit=1&order_by=-timestamp")
        return _time(events[0]["timestamp"]) + datetime.resolution if events else datetime.min.replace(tzinfo=UTC)

    def _unpause(self, dag_id: str) -> None:
        self.api.patch(f"/dags/{dag_id}", {"is_paused": False})

    def _trigger(self, dag_id: str, day: date | None) -> None:
        logical_date = f"{day}T00:00:00Z" if day else None
        try:
            run = self.api.post(f"/dags/{dag_id}/dagRuns", {"logical_date": logical_date})
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.CONFLICT:
                raise
            run = next(run for run in self._runs(dag_id) if _day(run) == day)  # the catch-up came first
        self._started.add((dag_id, run["dag_run_id"]))

    def _clear(self, dag_id: str, run: dict[str, Any]) -> None:
        self._started.add((dag_id, run["dag_run_id"]))
        if run["state"] not in ACTIVE:
            self.api.post(f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}/clear", {"dry_run": False})


def _time(text: str | None) -> Any:
    return datetime.fromisoformat(text) if text else None


def _day(run: dict[str, Any]) -> date | None:
    logical_date = _time(run["logical_date"])
    return logical_date.date() if logical_date else None

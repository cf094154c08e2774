"""Pipelines as strangers write them, all started by one DAG: the scheduler and `./dev chain` run them alike.

A task's event holds the sum over the events that its run received, plus one. So a wrong event shows in all later
results.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk import Asset, AssetAlias, AssetAll, AssetAny, Metadata, dag, task
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable

NEVER = CronTriggerTimetable("0 0 29 2 *", timezone="UTC")


def asset(name: str) -> Asset:
    return Asset(f"chained_{name}", uri=f"x-chained://{name}")


def received_sum(context: Any) -> int:
    """Return one more than the sum over the run's triggering events."""
    events = context.get("triggering_asset_events") or {}
    return 1 + sum(event.extra.get("sum", 0) for found in events.values() for event in found)


def stage(name: str, schedule: Any, *writes: str, ends: str = "") -> None:
    """A DAG with a task for each asset, and, where `ends` says so, one that fails or is skipped."""

    @dag(dag_id=f"chained_{name}", schedule=schedule, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
    def make() -> None:
        @task
        def count(**context: Any) -> int:
            return received_sum(context)

        counted = count()
        for written in writes:

            @task(task_id=f"write_{written}", outlets=[asset(written)])
            def write(total: int, name: str, *, outlet_events: Any = None) -> None:
                outlet_events[asset(name)].extra = {"sum": total, "name": name}

            last = write(counted, written)
            if ends:

                @task(task_id="end")
                def end() -> None:
                    raise {"fail": AirflowFailException, "skip": AirflowSkipException}[ends](ends)

                # After what is written where it fails, before it where it skips.
                last >> end() if ends == "fail" else end() >> last

    make()


@dag(schedule=asset("go"), start_date=datetime(2026, 1, 1, tzinfo=UTC))
def chained_through_alias() -> None:
    """Writes an asset that only the running task knows."""

    @task(outlets=[AssetAlias("chained_incoming")])
    def write(**context: Any) -> Any:
        yield Metadata(asset("dynamic"), {"sum": received_sum(context)}, AssetAlias("chained_incoming"))

    write()


@dag(schedule=asset("go"), start_date=datetime(2026, 1, 1, tzinfo=UTC))
def chained_mapped() -> None:
    """Three mapped tasks write the same asset."""

    @task(outlets=[asset("parts")])
    def write(number: int, *, outlet_events: Any = None) -> None:
        outlet_events[asset("parts")].extra = {"sum": number}

    write.expand(number=[1, 10, 100])


stage("start", None, "go")
chained_through_alias()
chained_mapped()

# One triggers another, one triggers two, a diamond.
stage("one", asset("go"), "one")
stage("two", asset("go"), "two")
stage("first_of_one", asset("one"), "first")
stage("second_of_one", [asset("one")])
stage("diamond", [asset("one"), asset("two")], "diamond")
stage("lopsided", AssetAll(asset("go"), asset("diamond")), "lopsided")

# All, any, nested.
stage("all_of_one_source", asset("one") & asset("first"), "both")
stage("any_of_one", AssetAny(asset("diamond"), asset("never")), "any")
stage("nested_all", AssetAll(asset("any"), AssetAny(asset("never"), asset("both"))), "nested_all")
stage("nested_any", (asset("one") & asset("two")) | asset("never"))
stage("deep", AssetAny(asset("never"), AssetAll(asset("nested_all"), AssetAny(asset("never"), asset("lopsided")))))

# By an alias, by what it stands for, by reference, or by time.
stage("on_alias", AssetAlias("chained_incoming"), "from_alias")
stage("on_dynamic", asset("dynamic"), "from_dynamic")
stage("on_both", AssetAll(asset("dynamic"), AssetAlias("chained_incoming")))
stage("behind_alias", asset("from_alias"))
stage("on_name", Asset.ref(name="chained_first"), "from_name")
stage("on_uri", Asset.ref(uri="x-chained://first"))
stage("or_by_time", AssetOrTimeSchedule(timetable=NEVER, assets=[asset("one"), asset("two")]), "timed")

# An event that a person adds, and what goes wrong.
stage("with_pretended", [asset("one"), asset("pretended")], "with_pretended")
stage("fails", asset("go"), "before_failure", ends="fail")
stage("after_failure", asset("before_failure"))
stage("skips", asset("go"), "skipped", ends="skip")
stage("after_skip", asset("skipped"))
stage("waits", AssetAll(asset("one"), AssetAny(asset("never"), asset("skipped"))))

# How often these run depends on timing; the events that they have seen in the end do not.
stage("race_of_two", asset("one") | asset("two"))
stage("race_of_parts", asset("parts"))

# Triggered at the end, so that the scheduler has handled all that was queued before.
stage("sentinel", asset("sentinel"))

# A cycle without end, so never started in the live environment.
stage("ping", asset("pong"), "ping")
stage("pong", asset("ping"), "pong")

"""Load every announced partition of the lake into the warehouse's schema RAW, exactly once.

An event of a raw asset triggers it. `plan` does not rely on that event: an ingest leaves a notice in the lake's
`pending/` before its event, and `plan` lists the notices. So nothing is lost if Airflow triggers one run for several
events, passes it only one of them, or triggers none because this DAG was paused. The cost of a run depends on what is
to be loaded, not on all files and events of the past. For an event without a notice, made in the UI, `plan` adds one.

`stage` copies each partition in a task of its own, and no reader sees it yet; a bad file fails only its own task.
`publish` makes everything that was staged visible in one statement, and emits the one event of the run. `tidy`
removes the notices of loaded partitions, and rows that no reader can see any more. `all_loaded` does nothing: it is
the last task, so that a failed `stage` fails the run.

The sweep every 15 minutes loads what has a notice and triggered no run: an event that came while this DAG was paused
(unpausing triggers nothing), an ingest that was killed before its event, and the partitions of a run that failed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import AssetAny, dag, get_current_context, task
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable

from common import pipeline
from common.assets import RAW, WAREHOUSE
from common.defaults import DAG_DEFAULTS

SQL = Path(__file__).parent / "sql"


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/15 * * * *", timezone="UTC"), assets=AssetAny(*RAW.values())
    ),
    tags=["telecoms", "load"],
    doc_md=__doc__,
    **DAG_DEFAULTS,
)
def load_warehouse() -> None:
    """Plan, stage each partition, publish them together, tidy up."""

    @task
    def plan(*, triggering_asset_events: Any = None, dag_run: Any = None) -> list[Any]:
        return pipeline.plan_loads(SQL, triggering_asset_events, manual=dag_run.run_type == "manual")

    @task(map_index_template="{{ load.dataset }} {{ load.partition }}", max_active_tis_per_dagrun=4)
    def stage(load: Any) -> Any:
        get_current_context()["load"] = load
        return pipeline.stage_load(SQL, load)

    # Publishes what was staged, also if another partition failed; is skipped if there was nothing to load.
    @task(trigger_rule="none_skipped", outlets=[WAREHOUSE])
    def publish(staged: Any, *, outlet_events: Any = None) -> list[str]:
        outlet_events[WAREHOUSE].extra, answered = pipeline.publish_loads(SQL, staged)
        return answered

    # A task of its own, because the notices are answered only when the event of `publish` is out.
    @task
    def tidy(answered: Any) -> None:
        pipeline.tidy_loads(SQL, answered)

    staged = stage.expand(load=plan())
    [staged, tidy(publish(staged))] >> EmptyOperator(task_id="all_loaded")


dag_object = load_warehouse()

if __name__ == "__main__":
    from workbench.debug import isolated

    with isolated():
        dag_object.test()

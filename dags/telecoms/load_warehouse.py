"""Load every announced partition of the lake into the warehouse's RAW schema, exactly once.

An event of a raw asset wakes it. What there is to do, it finds out itself: all events of the raw assets, less what
`RAW.LOADS` holds. So it does not matter that Airflow wakes it once for several events, with one of them, or not at
all while it was paused.

`stage` copies each partition by itself, invisibly; a bad file fails its own `stage` and the others go on. `publish`
makes what was staged current in one statement and emits the one event of the run. `tidy` removes what nobody sees
any more; it is the last task, so that a failed `stage` fails the run.

The sweep every 15 minutes is a safety net. Whatever is committed before `plan` reads is loaded by that run, and
whatever is committed later wakes another run, with these exceptions, which the sweep catches: events that arrived
while this DAG was paused (unpausing wakes nothing); an event that found this DAG's queue entry still there, and was
committed only after the run that consumed the entry had read the events; and a run that failed, for its partitions
are not announced again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

    @task(inlets=[*RAW.values(), WAREHOUSE])
    def plan(*, inlet_events: Any = None, dag_run: Any = None) -> list[Any]:
        events = {name: inlet_events[asset] for name, asset in RAW.items()}
        return pipeline.plan_loads(SQL, events, inlet_events[WAREHOUSE], manual=dag_run.run_type == "manual")

    @task(map_index_template="{{ load.dataset }} {{ load.partition }}", max_active_tis_per_dagrun=4)
    def stage(load: Any) -> Any:
        get_current_context()["load"] = load
        return pipeline.stage_load(SQL, load)

    # Runs with what was staged, also where a partition failed; not where there was nothing to load.
    @task(trigger_rule="none_skipped", outlets=[WAREHOUSE])
    def publish(staged: Any, *, outlet_events: Any = None) -> None:
        outlet_events[WAREHOUSE].extra = pipeline.publish_loads(SQL, staged)

    @task
    def tidy() -> None:
        pipeline.tidy_loads(SQL)

    staged = stage.expand(load=plan())
    [staged, publish(staged)] >> tidy()


dag_object = load_warehouse()

if __name__ == "__main__":
    from workbench.debug import isolated

    with isolated():
        dag_object.test()

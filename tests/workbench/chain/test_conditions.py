"""What wakes a DAG: by example, and held against Airflow's own scheduler on its own tables."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.assets.manager import AssetManager
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models import import_all_models
from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.base import Base
from airflow.models.dag import DAG, DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.tasklog import LogTemplate
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Asset, AssetAlias, AssetAll, AssetAny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, select, update
from sqlalchemy import event as event_api
from sqlalchemy.orm import Session

from workbench.airflow import bounded_events
from workbench.chain.conditions import AssetKey, Event, Group, Queue, Term
from workbench.chain.dags import condition_of

if TYPE_CHECKING:
    from collections.abc import Iterator

A, B, C = (Term("asset", name, name) for name in "abc")
X = Term("alias", "x")


def event(name: str, *aliases: str) -> Event:
    return Event(AssetKey(name, name), aliases=aliases)


def woken(condition: Any, *events: Event) -> bool:
    queue = Queue({"d": condition})
    for one in events:
        queue.announce(one)
    return bool(queue.woken())


@pytest.mark.parametrize(
    ("condition", "names", "holds"),
    [
        (A, "a", True),
        (A, "b", False),
        (Group("all", (A, B)), "a", False),
        (Group("all", (A, B)), "ab", True),
        (Group("any", (A, B)), "b", True),
        (Group("all", (A, Group("any", (B, C)))), "ac", True),
        (Group("all", (A, Group("any", (B, C)))), "bc", False),
        (Group("any", (C, Group("all", (A, B)))), "a", False),
        (Term("name", "a"), "a", True),
        (Term("uri", "b", "b"), "a", False),
    ],
)
def test_a_condition_holds_by_what_is_queued(condition: Any, names: str, holds: bool) -> None:
    assert woken(condition, *map(event, names)) is holds


def test_an_alias_holds_by_an_asset_that_was_written_through_it() -> None:
    assert woken(X, event("a", "x"))
    assert not woken(X, event("a"))
    assert woken(Group("all", (X, A)), event("a", "x"))


def test_a_run_that_an_alias_woke_is_handed_no_event() -> None:
    queue = Queue({"d": X, "e": Group("any", (X, A))})
    queue.announce(event("a", "x"))
    first, second = queue.woken()
    assert (first.causes, first.handed) == ((event("a", "x"),), ())
    assert second.handed == (event("a", "x"),)


def test_a_run_empties_the_queue_of_its_own_dag_alone() -> None:
    queue = Queue({"both": Group("all", (A, B)), "one": A})
    queue.announce(event("a"))
    assert [wake.dag_id for wake in queue.woken()] == ["one"]
    queue.announce(event("b"))
    assert [wake.dag_id for wake in queue.woken()] == ["both"]
    assert queue.woken() == []


def test_events_that_come_together_wake_one_run_with_all_of_them() -> None:
    queue = Queue({"d": Group("any", (A, B))})
    for name in "aab":
        queue.announce(event(name))
    (wake,) = queue.woken()
    assert wake.handed == (event("a"), event("a"), event("b"))


@pytest.mark.parametrize(
    ("condition", "names", "needs"),
    [
        (Group("all", (A, B, C)), "b", "a and c"),
        (Group("all", (A, Group("any", (B, C)))), "a", "b or c"),
        (Group("any", (C, Group("all", (A, B)))), "a", "c or b"),
        (Group("all", (A, X)), "a", "alias x"),
        (Group("all", (C, Group("any", (X, Group("all", (A, B)))))), "a", "c and (alias x or b)"),
    ],
)
def test_a_dag_that_waits_says_what_for(condition: Any, names: str, needs: str) -> None:
    queue = Queue({"d": condition})
    for name in names:
        queue.announce(event(name))
    (waiting,) = queue.waiting()
    assert waiting.needs == needs
    assert waiting.has == tuple(map(event, names))


# --- beside Airflow's scheduler ---

ASSETS = [Asset(f"asset_{name}", uri=f"x-test://{name}") for name in "abcd"]
ALIASES = [AssetAlias(f"alias_{name}") for name in "xy"]
REFS = [Asset.ref(name=ASSETS[0].name), Asset.ref(uri=ASSETS[1].uri)]

terms = st.sampled_from([*ASSETS, *ALIASES, *REFS])
conditions = st.recursive(
    terms,
    lambda parts: st.builds(
        lambda rule, chosen: rule(*chosen),
        st.sampled_from([AssetAll, AssetAny]),
        st.lists(parts, min_size=1, max_size=3),
    ),
    max_leaves=6,
)
updates = st.tuples(st.sampled_from(ASSETS), st.sets(st.sampled_from([alias.name for alias in ALIASES])))
#: An update of an asset, or a look of the scheduler.
happenings = st.lists(st.one_of(updates, updates, st.none()), max_size=14).map(lambda found: [*found, None])


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    """Airflow's tables, empty, and none of this process's own database."""
    import_all_models()
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with pytest.MonkeyPatch.context() as patch:  # what the environment's scheduler does
        patch.setattr(SchedulerJobRunner, "_create_dag_runs_asset_triggered", bounded_events.bounded())
        yield engine
    engine.dispose()


class Scheduler:
    """Airflow's own code around one look at the queue."""

    def __init__(self, session: Session, schedules: dict[str, Any], *, catchup: bool = False) -> None:
        self.session = session
        session.add_all([DagBundleModel(name="test"), LogTemplate(filename="log", elasticsearch_id="log")])
        dags = []
        for dag_id, schedule in schedules.items():
            start = datetime(2024, 1, 1, tzinfo=UTC)
            with DAG(dag_id, schedule=schedule, start_date=start, max_active_runs=99, catchup=catchup) as dag:  # noqa: AIR311 the tables take this one
                EmptyOperator(task_id="write", outlets=[*ASSETS, *ALIASES])
            dag.relative_fileloc = "test.py"
            dags.append(dag)
        errors: dict[str, str] = {}
        update_dag_parsing_results_in_db("test", None, dags, errors, set(), session)
        assert not errors
        session.execute(update(DagModel).values(is_paused=False))

    def announce(self, asset: Asset, aliases: set[str]) -> int:
        """Record an event; give its id."""
        model = self.session.scalar(select(AssetModel).where(AssetModel.name == asset.name))
        written = AssetManager.register_asset_change(asset=model, source_alias_names=aliases, session=self.session)
        assert written
        self.session.flush()
        self.session.expire_all()
        return int(written.id)

    def look(self) -> dict[str, list[int]]:
        """Create the DAG runs that are due; give for each DAG the events that its run is handed."""
        dags, dates = DagModel.dags_needing_dagruns(self.session)
        due = [dag for dag in dags.all() if dag.dag_id in dates]
        runner: Any = SimpleNamespace(job=SimpleNamespace(id=None), log=logging.getLogger(__name__))
        known = {run.id for run in self.session.scalars(select(DagRun))}
        SchedulerJobRunner._create_dag_runs_asset_triggered(runner, due, dates, self.session)
        self.session.flush()
        self.session.expire_all()
        new = [run for run in self.session.scalars(select(DagRun)) if run.id not in known]
        return {run.dag_id: [handed.id for handed in run.consumed_asset_events] for run in new}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schedules=st.lists(conditions, min_size=3, max_size=6), happened=happenings)
def test_the_queue_wakes_what_airflows_scheduler_wakes_and_hands_over_the_same_events(
    database: Any, schedules: list[Any], happened: list[Any]
) -> None:
    """Save one: of several events of one asset Airflow may leave the last ones for the run after."""
    named = {f"dag_{number}": schedule for number, schedule in enumerate(schedules)}
    queue = Queue({dag_id: condition_of(schedule) for dag_id, schedule in named.items()})
    left: dict[str, set[int]] = {dag_id: set() for dag_id in named}
    with database.connect() as connection, connection.begin() as transaction, Session(connection) as session:
        scheduler = Scheduler(session, named)
        for happening in happened:
            if happening is not None:
                asset, aliases = happening
                row = scheduler.announce(asset, aliases)
                queue.announce(Event(AssetKey(asset.name, asset.uri), aliases=tuple(sorted(aliases)), row=row))
                continue
            ours, airflows = {wake.dag_id: wake for wake in queue.woken()}, scheduler.look()
            assert set(ours) == set(airflows)
            for dag_id, wake in ours.items():
                rows = [handed.row for handed in wake.handed]
                assert set(airflows[dag_id]) <= {*rows, *left[dag_id]}
                if not left[dag_id] and len({handed.asset for handed in wake.causes}) == len(wake.causes):
                    assert airflows[dag_id] == rows
                left[dag_id] |= {*rows} - {*airflows[dag_id]}
                left[dag_id] -= {*airflows[dag_id]}
        transaction.rollback()


def copies(session: Session, count: int, *, minutes: int) -> None:
    """Copy the one event that there is, as of so many minutes later."""
    (one,) = session.scalars(select(AssetEvent))
    columns = {name: getattr(one, name) for name in ("asset_id", "extra", "source_map_index")}
    moment = one.timestamp + timedelta(minutes=minutes)
    session.execute(insert(AssetEvent), [columns | {"timestamp": moment} for _ in range(count)])
    session.expire_all()


@pytest.mark.parametrize(("catchup", "handed"), [(False, 1), (True, bounded_events.MOST)])
def test_a_dags_first_run_is_handed_what_came_since_it_waits_unless_it_catches_up(
    database: Any, catchup: bool, handed: int
) -> None:
    read: list[int] = []
    with database.connect() as connection, connection.begin() as transaction, Session(connection) as session:
        scheduler = Scheduler(session, {"new": ASSETS[0]}, catchup=catchup)
        newest = scheduler.announce(ASSETS[0], set())
        copies(session, 50_000, minutes=-60)
        event_api.listen(AssetEvent, "load", record := lambda row, _: read.append(row.id))
        try:
            (ids,) = scheduler.look().values()
        finally:
            event_api.remove(AssetEvent, "load", record)
        transaction.rollback()
    assert len(ids) == handed
    assert newest in ids
    assert len(set(read)) == handed  # the scheduler has not even looked at the others


def test_a_run_is_handed_at_most_the_newest_of_very_many_events(database: Any) -> None:
    with database.connect() as connection, connection.begin() as transaction, Session(connection) as session:
        scheduler = Scheduler(session, {"late": ASSETS[0]})
        scheduler.announce(ASSETS[0], set())
        scheduler.look()
        yesterday = datetime.now(UTC) - timedelta(days=1)
        session.execute(update(DagRun).values(run_after=yesterday))
        session.execute(update(AssetEvent).values(timestamp=yesterday))
        copies(session, 5_000, minutes=60)
        newest = scheduler.announce(ASSETS[0], set())
        (ids,) = scheduler.look().values()
        transaction.rollback()
    assert sorted(ids) == list(range(newest - bounded_events.MOST + 1, newest + 1))

"""What triggers a DAG: by example, and compared with Airflow's own scheduler on its own tables."""

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
from airflow.models.asset import AssetEvent as AssetEventModel
from airflow.models.asset import AssetModel
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
from workbench.chain.conditions import AssetEvent, AssetKey, EventQueue, Group, Term
from workbench.chain.dags import condition_of

if TYPE_CHECKING:
    from collections.abc import Iterator

A, B, C = (Term("asset", name, name) for name in "abc")
X = Term("alias", "x")


def event(name: str, *aliases: str) -> AssetEvent:
    return AssetEvent(AssetKey(name, name), aliases=aliases)


def triggered(condition: Any, *events: AssetEvent) -> bool:
    queue = EventQueue({"d": condition})
    queue.add(events)
    return bool(queue.take_triggered())


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
def test_condition(condition: Any, names: str, holds: bool) -> None:
    """A condition holds by the assets whose events are queued."""
    assert triggered(condition, *map(event, names)) is holds


def test_alias() -> None:
    """An alias holds by an asset that was written through it."""
    assert triggered(X, event("a", "x"))
    assert not triggered(X, event("a"))
    assert triggered(Group("all", (X, A)), event("a", "x"))


def test_alias_gives_no_events() -> None:
    """The tasks of a run that an alias alone triggered see no event."""
    queue = EventQueue({"d": X, "e": Group("any", (X, A))})
    queue.add([event("a", "x")])
    first, second = queue.take_triggered()
    assert (first.triggered_by, first.triggering_asset_events) == ((event("a", "x"),), ())
    assert second.triggering_asset_events == (event("a", "x"),)


def test_queue_emptied() -> None:
    """A run empties the queue of its own DAG and of no other."""
    queue = EventQueue({"both": Group("all", (A, B)), "one": A})
    queue.add([event("a")])
    assert [dag.dag_id for dag in queue.take_triggered()] == ["one"]
    queue.add([event("b")])
    assert [dag.dag_id for dag in queue.take_triggered()] == ["both"]
    assert queue.take_triggered() == []


def test_events_together() -> None:
    """Events that come together trigger one run with all of them."""
    queue = EventQueue({"d": Group("any", (A, B))})
    queue.add(map(event, "aab"))
    (dag,) = queue.take_triggered()
    assert dag.triggering_asset_events == (event("a"), event("a"), event("b"))


@pytest.mark.parametrize(
    ("condition", "names", "missing"),
    [
        (Group("all", (A, B, C)), "b", "a and c"),
        (Group("all", (A, Group("any", (B, C)))), "a", "b or c"),
        (Group("any", (C, Group("all", (A, B)))), "a", "c or b"),
        (Group("all", (A, X)), "a", "alias x"),
        (Group("all", (C, Group("any", (X, Group("all", (A, B)))))), "a", "c and (alias x or b)"),
    ],
)
def test_waiting(condition: Any, names: str, missing: str) -> None:
    """A DAG that waits says what it received and what is missing."""
    queue = EventQueue({"d": condition})
    queue.add(map(event, names))
    (waiting,) = queue.waiting()
    assert waiting.missing == missing
    assert waiting.received == tuple(map(event, names))


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
#: An update of an asset, or a round of the scheduler.
steps = st.lists(st.one_of(updates, updates, st.none()), max_size=14).map(lambda found: [*found, None])


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    """Airflow's tables, empty, in a database of their own."""
    import_all_models()
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with pytest.MonkeyPatch.context() as patch:  # what the environment's scheduler does
        patch.setattr(SchedulerJobRunner, "_create_dag_runs_asset_triggered", bounded_events.bounded())
        yield engine
    engine.dispose()


class Scheduler:
    """Airflow's own code for one round of its scheduler."""

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

    def add(self, asset: Asset, aliases: set[str]) -> int:
        """Record an event and return its id."""
        model = self.session.scalar(select(AssetModel).where(AssetModel.name == asset.name))
        written = AssetManager.register_asset_change(asset=model, source_alias_names=aliases, session=self.session)
        assert written
        self.session.flush()
        self.session.expire_all()
        return int(written.id)

    def create_runs(self) -> dict[str, list[int]]:
        """Create the DAG runs that are due; return for each DAG the events that its run's tasks see."""
        dags, dates = DagModel.dags_needing_dagruns(self.session)
        due = [dag for dag in dags.all() if dag.dag_id in dates]
        runner: Any = SimpleNamespace(job=SimpleNamespace(id=None), log=logging.getLogger(__name__))
        known = {run.id for run in self.session.scalars(select(DagRun))}
        SchedulerJobRunner._create_dag_runs_asset_triggered(runner, due, dates, self.session)
        self.session.flush()
        self.session.expire_all()
        new = [run for run in self.session.scalars(select(DagRun)) if run.id not in known]
        return {run.dag_id: [event.id for event in run.consumed_asset_events] for run in new}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schedules=st.lists(conditions, min_size=3, max_size=6), happened=steps)
def test_same_as_scheduler(database: Any, schedules: list[Any], happened: list[Any]) -> None:
    """The queue triggers the DAGs that Airflow's scheduler triggers, and gives their tasks the same events.

    With one exception: of several events of one asset Airflow may leave the last ones for the next run.
    """
    named = {f"dag_{number}": schedule for number, schedule in enumerate(schedules)}
    queue = EventQueue({dag_id: condition_of(schedule) for dag_id, schedule in named.items()})
    left: dict[str, set[int]] = {dag_id: set() for dag_id in named}
    with database.connect() as connection, connection.begin() as transaction, Session(connection) as session:
        scheduler = Scheduler(session, named)
        for step in happened:
            if step is not None:
                asset, aliases = step
                row = scheduler.add(asset, aliases)
                queue.add([AssetEvent(AssetKey(asset.name, asset.uri), aliases=tuple(sorted(aliases)), row=row)])
                continue
            ours, airflows = {dag.dag_id: dag for dag in queue.take_triggered()}, scheduler.create_runs()
            assert set(ours) == set(airflows)
            for dag_id, dag in ours.items():
                rows = [event.row for event in dag.triggering_asset_events]
                assert set(airflows[dag_id]) <= {*rows, *left[dag_id]}
                if not left[dag_id] and len({event.asset for event in dag.triggered_by}) == len(dag.triggered_by):
                    assert airflows[dag_id] == rows
                left[dag_id] |= {*rows} - {*airflows[dag_id]}
                left[dag_id] -= {*airflows[dag_id]}
        transaction.rollback()


def copies(session: Session, count: int, *, minutes: int) -> None:
    """Copy the one event that there is, as of so many minutes later."""
    (one,) = session.scalars(select(AssetEventModel))
    columns = {name: getattr(one, name) for name in ("asset_id", "extra", "source_map_index")}
    moment = one.timestamp + timedelta(minutes=minutes)
    session.execute(insert(AssetEventModel), [columns | {"timestamp": moment} for _ in range(count)])
    session.expire_all()


@pytest.mark.parametrize(("catchup", "handed"), [(False, 1), (True, bounded_events.MOST)])
def test_first_run(database: Any, catchup: bool, handed: int) -> None:
    """A DAG's first run receives the events since the DAG began to wait, unless it catches up."""
    read: list[int] = []
    with database.connect() as connection, connection.begin() as transaction, Session(connection) as session:
        scheduler = Scheduler(session, {"new": ASSETS[0]}, catchup=catchup)
        newest = scheduler.add(ASSETS[0], set())
        copies(session, 50_000, minutes=-60)
        event_api.listen(AssetEventModel, "load", record := lambda row, _: read.append(row.id))
        try:
            (ids,) = scheduler.create_runs().values()
        finally:
            event_api.remove(AssetEventModel, "load", record)
        transaction.rollback()
    assert len(ids) == handed
    assert newest in ids
    assert len(set(read)) == handed  # the scheduler has not even looked at the others


def test_bound(database: Any) -> None:
    """Of very many events a run receives the newest."""
    with database.connect() as connection, connection.begin() as transaction, Session(connection) as session:
        scheduler = Scheduler(session, {"late": ASSETS[0]})
        scheduler.add(ASSETS[0], set())
        scheduler.create_runs()
        yesterday = datetime.now(UTC) - timedelta(days=1)
        session.execute(update(DagRun).values(run_after=yesterday))
        session.execute(update(AssetEventModel).values(timestamp=yesterday))
        copies(session, 5_000, minutes=60)
        newest = scheduler.add(ASSETS[0], set())
        (ids,) = scheduler.create_runs().values()
        transaction.rollback()
    assert sorted(ids) == list(range(newest - bounded_events.MOST + 1, newest + 1))

"""Loading exactly once: each guarantee, and what tries to break it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common import warehouse
from common.datasets import AGENTS, CALL_LOGS
from common.errors import AccessRefusedError, BadDataError, StatementRefusedError
from common.ingest import ingest_cells
from common.pending import PREFIX, Notice, Pending, utc_text
from common.warehouse import Load, Staged, Warehouse, latest_notices

if TYPE_CHECKING:
    from tests.conftest import Place

ROOT = Path(__file__).resolve().parents[2]
SQL = ROOT / "dags" / "telecoms" / "sql"
START = datetime(2025, 11, 23, 12, tzinfo=UTC)
DAY = "2025-11-20"


def event(extra: dict[str, Any] | None, minute: int = 0) -> Any:
    return SimpleNamespace(extra=extra, timestamp=START + timedelta(minutes=minute))


class Loading:
    """A lake and a warehouse, and the events that ingest would have emitted."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.warehouse = Warehouse(SQL)
        self.pending = Pending(place.s3, place.lake)
        #: Events that the next run is handed.
        self.events: dict[str, list[Any]] = {"call_logs": [], "agents": []}

    def announce(self, partition: str, *calls: str, minute: int = 0) -> Notice:
        """Ingest a day with these calls; its event reaches no run."""
        cells = [list(CALL_LOGS.columns), *([call, *[""] * (len(CALL_LOGS.columns) - 1)] for call in calls)]
        extra = ingest_cells(self.place.s3, CALL_LOGS, partition, cells, file="calls.csv", lake_bucket=self.place.lake)
        (written,) = latest_notices({"call_logs": [event(dict(extra))]}).values()
        self.pending.remove([written.key])
        return self.note(partition, extra["rows"], extra["etag"], minute)

    def announce_object(self, partition: str, content: bytes, rows: int = 1, minute: int = 0) -> Notice:
        """Announce an object that ingest would not have written."""
        key = CALL_LOGS.lake_key(partition)
        etag = self.place.s3.put_object(Bucket=self.place.lake, Key=key, Body=content)["ETag"].strip('"')
        return self.note(partition, rows, etag, minute)

    def note(self, partition: str, rows: int, etag: str, minute: int) -> Notice:
        """Leave a notice, as of that minute."""
        notice = Notice(utc_text(START + timedelta(minutes=minute)), "call_logs", partition, rows, etag)
        self.pending.add(notice)
        return notice

    def hand(self, notice: Notice) -> None:
        """Give the next run the event that an ingest emits."""
        extra = {"partition": notice.partition, "rows": notice.rows, "etag": notice.etag}
        self.events["call_logs"].append(event({**extra, "announced_at": notice.announced_at}))

    def plan(self, **kwargs: Any) -> list[Load]:
        """What `plan` finds."""
        return self.warehouse.to_load(self.place.s3, self.events, **kwargs)

    def stage(self, load: Load) -> Staged:
        """One mapped task."""
        return self.warehouse.stage(self.place.s3, load)

    def publish(self, *staged: Staged) -> None:
        """Publish, and tidy up after the event."""
        published = self.warehouse.publish(staged)
        assert published is not None
        self.pending.remove(published[1])

    def load(self) -> list[str]:
        """Do what a run of the DAG does; return the partitions that it loaded."""
        loads = self.plan()
        if loads:
            self.publish(*map(self.stage, loads))
        return sorted(load["partition"] for load in loads)

    def visible(self) -> list[str]:
        """Calls that readers see."""
        return [call for (call,) in self.place.query("SELECT call_id FROM RAW.CALL_LOGS_CURRENT ORDER BY call_id")]


@pytest.fixture
def loading(place: Place) -> Loading:
    return Loading(place)


def test_everything_announced(loading: Loading) -> None:
    """Every announced partition is loaded, however many events came at once."""
    loading.announce("2025-11-20", "a", "b")
    loading.announce("2025-11-21", "c", minute=1)
    loading.announce("2025-11-22", "d", minute=1)
    assert loading.load() == ["2025-11-20", "2025-11-21", "2025-11-22"]
    assert loading.visible() == ["a", "b", "c", "d"]


def test_once(loading: Loading) -> None:
    """What is loaded is not loaded again."""
    loading.announce(DAY, "a")
    loading.load()
    assert loading.load() == []
    assert loading.place.query("SELECT COUNT(*) FROM RAW.CALL_LOGS") == [(1,)]


def test_replaced(loading: Loading) -> None:
    """A partition that is announced again replaces its rows."""
    loading.announce(DAY, "a", "b")
    loading.load()
    loading.announce(DAY, "b", "c", minute=1)
    assert loading.load() == [DAY]
    assert loading.visible() == ["b", "c"]


def test_most(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run takes as many partitions as Airflow can map, and the next one the rest."""
    monkeypatch.setattr(warehouse, "MOST", 1)
    loading.announce("2025-11-21", "a")
    loading.announce("2025-11-20", "b", minute=1)
    assert [loading.load() for _ in range(3)] == [["2025-11-21"], ["2025-11-20"], []]


def test_event_without_partition(loading: Loading) -> None:
    """Events that name no partition are ignored."""
    loading.events["call_logs"] += [event(None), event({}), event({"from": "the UI"})]
    assert loading.plan() == []


def test_event_of_a_person(loading: Loading) -> None:
    """An event that names only a partition, made in the UI or with `--event`, loads the file that is there."""
    loading.announce(DAY, "a")
    loading.load()
    loading.events["call_logs"] = [event({"partition": DAY}, minute=1)]
    assert loading.load() == [DAY]
    assert loading.visible() == ["a"]
    assert loading.load() == []  # a run that is cleared is handed the same event
    loading.events["call_logs"].append(event({"partition": DAY}, minute=2))
    assert loading.load() == [DAY]
    assert loading.visible() == ["a"]


def test_event_of_a_failed_run(loading: Loading) -> None:
    """The partition of such an event is loaded by the sweep if its run failed."""
    loading.announce(DAY, "a")
    loading.load()
    loading.events["call_logs"] = [event({"partition": DAY}, minute=1)]
    loading.plan()
    loading.events["call_logs"] = []  # the sweep is handed none
    assert loading.load() == [DAY]


def test_event_and_notice(loading: Loading) -> None:
    """An event and its notice are one announcement."""
    notice = loading.announce(DAY, "a")
    loading.hand(notice)
    (load,) = loading.plan()
    assert load["notices"] == [notice.key]
    loading.publish(loading.stage(load))
    assert loading.load() == []  # the run is cleared, and handed the event again


def test_no_event(place: Place) -> None:
    """What an ingest wrote is found without its event."""
    cells = [list(CALL_LOGS.columns), ["a", *[""] * (len(CALL_LOGS.columns) - 1)]]
    extra = ingest_cells(place.s3, CALL_LOGS, DAY, cells, file="calls.csv", lake_bucket=place.lake)
    (load,) = Warehouse(SQL).to_load(place.s3, {})
    (notice,) = latest_notices({"call_logs": [event(dict(extra))]}).values()
    assert load["notices"] == [notice.key]
    assert (load["key"], load["rows"], load["etag"]) == (extra["key"], extra["rows"], extra["etag"])


@pytest.mark.parametrize("partition", ["current", "2025-11-20", "a/b c?%ä", "."])
def test_notice_key(loading: Loading, partition: str) -> None:
    """A notice's key holds all of it."""
    notice = Notice(utc_text(START), "call_logs", partition, 7, "d41d8cd98f00b204-2")
    loading.pending.add(notice)
    assert loading.pending.notices() == {("call_logs", partition): [notice]}
    loading.pending.remove([notice.key])
    assert loading.pending.notices() == {}


def test_not_a_notice(loading: Loading) -> None:
    """An object that is not a notice does not hinder the others."""
    for key in (PREFIX, f"{PREFIX}notes.txt", f"{PREFIX}2025-11-23T12:00:00.000000/gone/2025-11-20/1/etag"):
        loading.place.s3.put_object(Bucket=loading.place.lake, Key=key, Body=b"")
    loading.announce(DAY, "a")
    assert loading.load() == [DAY]


def test_plan_cost(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten new partitions after years of files cost one request for each page of notices, and their own rows."""
    loading.announce("2025-11-20", "a")
    loading.load()
    loading.place.query(
        "INSERT INTO RAW.LOAD_LEDGER SELECT dataset, 'day ' || n, load_id || n, etag, row_count, announced_at, batch, "
        "published_at "
        "FROM RAW.LOADS, (SELECT ROW_NUMBER() OVER (ORDER BY 1) AS n FROM TABLE(GENERATOR(ROWCOUNT => 50000)))"
    )
    assert loading.place.query("SELECT COUNT(*) FROM RAW.LOADS") == [(50_001,)]
    for day in range(10):
        loading.note(f"2025-12-{day:02}", 1, "etag", minute=day)
    rows, requests = [], []
    loaded = Warehouse._loaded
    monkeypatch.setattr(Warehouse, "_loaded", lambda self, keys: rows.extend(found := loaded(self, keys)) or found)
    events = loading.place.s3.meta.events
    events.register("before-send.s3", record := lambda request, **_: requests.append(request.url))
    try:
        assert len(loading.plan()) == 10
    finally:
        events.unregister("before-send.s3", record)
    assert rows == []
    assert len(requests) == 1
    assert PREFIX.rstrip("/") in requests[0]


def test_staged(loading: Loading) -> None:
    """Staged rows are invisible until all of them are published at once."""
    loading.announce("2025-11-20", "a")
    loading.announce("2025-11-21", "b")
    staged = [loading.stage(load) for load in loading.plan()]
    assert loading.visible() == []
    loading.publish(*staged)
    assert loading.visible() == ["a", "b"]


@pytest.mark.parametrize("statement", ["COPY INTO", "INSERT INTO RAW.LOAD_LEDGER"])
def test_killed(loading: Loading, statement: str) -> None:
    """A load that is killed after a statement is completed by the next one, without a double row."""
    loading.announce("2025-11-20", "a", "b")
    loading.announce("2025-11-21", "c")
    code = f"""
        import os
        from pathlib import Path
        from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook
        from common.pipeline import _s3
        from common.warehouse import Warehouse
        class Hook(SnowflakeHook):
            def _run_command(self, cursor, sql, parameters):
                super()._run_command(cursor, sql, parameters)
                if {statement!r} in sql: os._exit(9)
        warehouse = Warehouse(Path({str(SQL)!r}), Hook("snowflake_default"))
        warehouse.publish([warehouse.stage(_s3(), load) for load in warehouse.to_load(_s3(), {{}})])
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == 9, killed.stderr.decode()
    # A publication that was committed without an event: its partitions are loaded, and announced, once more.
    assert loading.load() == ["2025-11-20", "2025-11-21"]
    assert loading.visible() == ["a", "b", "c"]
    assert loading.load() == []


def test_concurrent(loading: Loading) -> None:
    """Loads that run at the same time leave each row once."""
    loading.announce("2025-11-20", "a", "b")
    loading.announce("2025-11-21", "c")
    loads = loading.plan()
    with ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(lambda: loading.publish(*map(loading.stage, loads))) for _ in range(4)]
        for run in runs:
            run.result()
    assert loading.visible() == ["a", "b", "c"]


def test_published_twice(loading: Loading) -> None:
    """A repeated publication changes nothing."""
    loading.announce(DAY, "a")
    staged = [loading.stage(load) for load in loading.plan()]
    loading.publish(*staged)
    loading.publish(*staged)
    assert loading.visible() == ["a"]


def test_older(loading: Loading) -> None:
    """An older announcement never replaces a newer one."""
    loading.announce(DAY, "old")
    (old,) = (loading.stage(load) for load in loading.plan())
    loading.announce(DAY, "new", minute=1)
    loading.load()
    loading.publish(old)  # a cleared run, or one that hung
    assert loading.visible() == ["new"]
    assert loading.load() == []
    assert loading.pending.notices() == {}


def test_replaced_object(loading: Loading) -> None:
    """An object that was replaced after its announcement is recorded as what it is."""
    first = loading.announce(DAY, "a")
    second = loading.announce(DAY, "b", "c", minute=1)
    loading.pending.remove([second.key])
    loading.load()
    assert loading.visible() == ["b", "c"]
    assert first.etag != second.etag
    loading.pending.add(second)
    assert loading.load() == []  # the later notice is of what is loaded
    assert loading.pending.notices() == {}


def test_old_attempt(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that waited too long is not published."""
    loading.announce(DAY, "a")
    staged = [loading.stage(load) for load in loading.plan()]
    monkeypatch.setattr(warehouse, "PUBLISH_WITHIN", timedelta(0))
    assert loading.warehouse.publish(staged) is None


def test_tidy(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tidy` keeps what is current and what was current within a day."""
    for minute, call in enumerate(["first", "second", "third"]):
        loading.announce(DAY, call, minute=minute)
        loading.load()
    loading.announce(DAY, "never published", minute=9)
    for load in loading.plan():
        loading.stage(load)
    loading.warehouse.tidy()
    stored = "SELECT COUNT(*) FROM RAW.CALL_LOGS"
    assert loading.place.query(stored) == [(4,)]
    monkeypatch.setattr(warehouse, "KEEP", timedelta(0))
    loading.warehouse.tidy()
    assert loading.place.query(stored) == [(1,)]
    assert loading.visible() == ["third"]


def parquet(**columns: list[Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def torn(content: bytes) -> bytes:
    """Break the pages and leave the footer as it is."""
    middle = len(content) // 3
    return content[:4] + b"\xff" * (middle - 4) + content[middle:]


GOOD = {column: ["x"] * 100 for column in CALL_LOGS.columns} | {"_row": [*range(100)], "_ingested_at": [START] * 100}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"call_id,customer_id\n1,2\n", "is not Parquet"),
        (parquet(**GOOD)[:-50], "is not Parquet"),
        (parquet(call_id=["a"], agent=["b"]), "column customer_id: customer_id, complaint_category, agent_id"),
        (parquet(**{name: cells[:0] for name, cells in GOOD.items()}), "has no rows"),
        (parquet(**{name: cells[:7] for name, cells in GOOD.items()}), "has 7 rows instead of the announced 100"),
        (torn(parquet(**GOOD)), "call_logs.parquet"),
    ],
)
def test_bad_file(loading: Loading, content: bytes, message: str) -> None:
    """A bad file fails its own partition, by name, and the others go on."""
    loading.announce("2025-11-21", "good")
    loading.announce_object(DAY, content, rows=100)
    staged, errors = [], []
    for load in loading.plan():
        try:
            staged.append(loading.stage(load))
        except BadDataError as error:
            errors.append(str(error))
    loading.publish(*staged)
    (error,) = errors
    assert error.startswith("raw/call_logs/2025/11/20/call_logs.parquet")
    assert message in error
    assert loading.visible() == ["good"]
    assert loading.place.query("SELECT DISTINCT _partition FROM RAW.CALL_LOGS") == [("2025-11-21",)]


def test_bad_file_again(loading: Loading) -> None:
    """A bad file is tried again if it is announced again, or if a person triggers the run."""
    loading.announce_object(DAY, b"not Parquet")
    (load,) = loading.plan()
    with pytest.raises(BadDataError):
        loading.stage(load)
    assert loading.plan() == []
    assert loading.plan(retry_rejected=True) == [load]
    loading.announce(DAY, "fixed", minute=1)
    assert loading.load() == [DAY]
    assert loading.visible() == ["fixed"]


def test_bad_file_after_good(loading: Loading) -> None:
    """A bad file is tried once, also if the good one before it has no event yet."""
    good = loading.announce(DAY, "a")
    loading.load()
    loading.pending.add(good)  # the publication was killed before its event
    assert [load["notices"] for load in loading.plan()] == [[good.key]]
    loading.announce_object(DAY, b"not Parquet", minute=1)
    (load,) = loading.plan()
    with pytest.raises(BadDataError):
        loading.stage(load)
    assert loading.plan() == []
    loading.announce(DAY, "b", minute=2)
    assert loading.load() == [DAY]
    assert loading.pending.notices() == {}


def test_missing_object(loading: Loading) -> None:
    """The error of a missing object names it."""
    loading.announce(DAY, "a")
    (load,) = loading.plan()
    loading.place.s3.delete_object(Bucket=loading.place.lake, Key=load["key"])
    with pytest.raises(BadDataError, match=r"call_logs.parquet: is not in the bucket"):
        loading.stage(load)


def test_refused_login(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused login is one message, without the password."""
    connection = json.loads(loading.place.env["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
    connection["password"] = "wrong-and-secret"  # pragma: allowlist secret
    monkeypatch.setenv("AIRFLOW_CONN_SNOWFLAKE_DEFAULT", json.dumps(connection))
    loading.announce(DAY, "a")
    with pytest.raises(AccessRefusedError) as refused:
        loading.plan()
    assert "Incorrect username or password" in str(refused.value)
    assert "AIRFLOW_CONN_SNOWFLAKE_DEFAULT" in str(refused.value)
    assert "wrong-and-secret" not in str(refused.value)


def test_wrong_statement(loading: Loading, tmp_path: Path) -> None:
    """A wrong statement is an error of its own."""
    (tmp_path / "loaded.sql").write_text("SELECT no_such_column FROM (SELECT 1 AS a) AS t")
    loading.announce(DAY, "a")
    with pytest.raises(StatementRefusedError, match=r"(?i)no_such_column"):
        Warehouse(tmp_path).to_load(loading.place.s3, {})


def test_identifiers(tmp_path: Path) -> None:
    """Only plain names become part of a statement."""
    (tmp_path / "x.sql").write_text("USE {{ name | identifier }}")
    assert warehouse.render(tmp_path / "x.sql", {"name": "AGENTS"}) == "USE AGENTS"
    with pytest.raises(ValueError, match="not an identifier"):
        warehouse.render(tmp_path / "x.sql", {"name": "a; DROP TABLE b"})


def test_storage_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage has the storage integration if one is set."""
    values = {"dataset": AGENTS}
    assert "STORAGE_INTEGRATION" not in warehouse.render(SQL / "setup.sql", values)
    monkeypatch.setenv("TELECOMS_STORAGE_INTEGRATION", "S3_RAW")
    assert "STORAGE_INTEGRATION = S3_RAW" in warehouse.render(SQL / "setup.sql", values)

"""The sample's DAGs one after the other, on the sample data and on bad data, by `dag.test()`."""

from __future__ import annotations

import csv
import io
import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Place
    from tests.dags.conftest import Ran

DAYS = [datetime(2025, 11, day, tzinfo=UTC) for day in (20, 21, 22)]
CALLS = "call logs/call_logs_day_2025-11-20.csv"
CALLS_HEAD = (
    "Unnamed: 0,call ID,customeR iD,COMPLAINT_catego ry,agent ID,call_start_time,call_end_time,resolutionstatus,"
    "callLogsGenerationDate\n"
)
CALL = "0,c1,k1,Billing,7,2025-11-20 10:00:00,,Resolved,20/11/2025\n"


def alerts(place: Place) -> list[dict[str, Any]]:
    with httpx.Client(trust_env=False) as client:
        messages: list[dict[str, Any]] = client.get(f"{place.page_url}/slack/messages").json()
    return messages


def expected(place: Place) -> dict[str, int]:
    """Count what the sources hold, without the pipeline's code."""

    def text(key: str) -> str:
        return str(place.s3.get_object(Bucket=place.source, Key=key)["Body"].read().decode())

    def column(content: str, name: str) -> list[str]:
        return [row[name].strip() for row in csv.DictReader(io.StringIO(content, newline=""))]

    calls = [column(text(f"call logs/call_logs_day_{day:%Y-%m-%d}.csv"), "call ID") for day in DAYS]
    complaints = [json.loads(text(f"social_medias/media_complaint_day_{day:%Y-%m-%d}.json")) for day in DAYS]
    customers = column(text("customers/customers_dataset.csv"), "customer iD")
    facts = len({call for day in calls for call in day}) + len({c["complaint_id"] for day in complaints for c in day})
    return {
        "RAW.CUSTOMERS_CURRENT": len(customers),
        "RAW.CALL_LOGS_CURRENT": sum(map(len, calls)),
        "RAW.SOCIAL_MEDIA_CURRENT": sum(map(len, complaints)),
        "MARTS.DIM_CUSTOMERS": len(set(customers)),
        "MARTS.FCT_COMPLAINTS": facts,
        "MARTS.OBT_COMPLAINTS_OVERVIEW": facts,
    }


def test_sources_to_marts(make_place: Callable[..., Place], run_dag: Callable[..., Ran]) -> None:
    """Every row of the sources reaches the marts once, and a second load finds nothing to do."""
    place = make_place(sample=True)
    ran = [run_dag("ingest_agents"), run_dag("ingest_customers")]
    ran += [run_dag(name, day) for name in ("ingest_call_logs", "ingest_social_media") for day in DAYS]
    assert [run.state for run in ran] == ["success"] * 8
    assert all(run.events[0].keys() == {"partition", "key", "rows", "etag", "announced_at"} for run in ran)

    load = run_dag("load_warehouse")
    assert load.state == "success"
    assert len([task for task in load.tasks if task.startswith("stage[")]) == 8
    (batch,) = load.events
    assert batch["rows"] == sum(run.events[0]["rows"] for run in ran)
    daily = [f"{name}/{day:%Y-%m-%d}" for name in ("call_logs", "social_media") for day in DAYS]
    assert batch["partitions"] == sorted(["agents/current", "customers/current", *daily])

    again = run_dag("load_warehouse")
    assert again.state == "success"
    assert again.events == []
    assert set(again.tasks.values()) == {"skipped"}

    assert run_dag("transform_marts").state == "success"
    assert {table: place.query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in expected(place)} == expected(place)  # noqa: S608  # names from above
    cells = place.query("SELECT MIN(opened_at), MAX(reported_on), COUNT(opened_at) FROM MARTS.FCT_COMPLAINTS")
    ((first, last, with_time),) = cells
    assert (first.date(), last) == (DAYS[0].date(), DAYS[-1].date())
    assert with_time == expected(place)["MARTS.FCT_COMPLAINTS"]


def test_history_is_not_read(place: Place, run_dag: Callable[..., Ran]) -> None:
    """A run reads the events that it received, and not the 50,000 before them."""
    from airflow import settings  # noqa: PLC0415  # Airflow's home is set first
    from airflow.models.asset import AssetEvent  # noqa: PLC0415
    from sqlalchemy import event, text  # noqa: PLC0415

    place.put_source(CALLS, CALLS_HEAD + CALL)
    run_dag("ingest_call_logs", DAYS[0])
    columns = "asset_id, extra, source_task_id, source_dag_id, source_run_id, source_map_index, timestamp"
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
    with settings.engine.begin() as connection:
        copied = text(f"{numbers} INSERT INTO asset_event ({columns}) SELECT {columns} FROM asset_event, n")  # noqa: S608 literals
        connection.execute(copied)
        assert connection.scalar(text("SELECT COUNT(*) FROM asset_event")) == 50_001
    read: list[int] = []
    event.listen(AssetEvent, "load", record := lambda row, _: read.append(row.id))
    try:
        load = run_dag("load_warehouse")
    finally:
        event.remove(AssetEvent, "load", record)
    assert load.events[0]["partitions"] == ["call_logs/2025-11-20"]
    assert len(read) < 10


def test_batch_during_transform(place: Place, run_dag: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is published during a transform is seen by all marts or by none."""
    from common.operators import WarehouseSqlOperator  # noqa: PLC0415  # Airflow's home is set first

    place.put_source(CALLS, CALLS_HEAD + CALL)
    place.put_source("social_medias/media_complaint_day_2025-11-20.json", json.dumps([complaint("s1")]))
    place.put_source("customers/customers_dataset.csv", CUSTOMERS_HEAD + "k1,Ada,F,1990-01-01,2020-01-01,A@X.org ,\n")
    for name in ("ingest_customers", "ingest_call_logs", "ingest_social_media", "ingest_agents"):
        assert run_dag(name).state == "success"
    run_dag("load_warehouse")
    stock = WarehouseSqlOperator.execute

    def publish_meanwhile(self: Any, context: Any) -> None:
        stock(self, context)
        if self.task_id == "snapshot":
            monkeypatch.setattr(WarehouseSqlOperator, "execute", stock)
            place.query(
                "INSERT INTO RAW.LOAD_LEDGER SELECT dataset, partition_key, 'nothing', etag, 0, "
                "DATEADD('day', 1, announced_at), 'later', published_at FROM RAW.LOADS"
            )

    monkeypatch.setattr(WarehouseSqlOperator, "execute", publish_meanwhile)
    counts = "SELECT (SELECT COUNT(*) FROM MARTS.DIM_CUSTOMERS), (SELECT COUNT(*) FROM MARTS.FCT_COMPLAINTS)"
    assert run_dag("transform_marts").state == "success"
    assert place.query("SELECT COUNT(*) FROM RAW.CALL_LOGS_CURRENT") == [(0,)]
    assert place.query(counts) == [(1, 2)]
    assert run_dag("transform_marts").state == "success"
    assert place.query(counts) == [(0, 0)]


CUSTOMERS_HEAD = "customer iD,name,Gender,DATE of biRTH,signup DATE,email,address\n"


def complaint(number: str) -> dict[str, Any]:
    return {
        "complaint_id": number, "customeR iD": "k1", "COMPLAINT_catego ry": "Billing", "agent ID": "7",
        "resolutionstatus": "open", "request_date": "2025-11-20", "resolution_date": None, "media_channel": "X",
        "MediaComplaintGenerationDate": "2025-11-20",
    }  # fmt: skip


def test_missing_source(place: Place, run_dag: Callable[..., Ran]) -> None:
    """A source that is missing is a skip without an event."""
    run = run_dag("ingest_call_logs", DAYS[0])
    assert run.tasks == {"ingest": "skipped"}
    assert run.events == []
    assert place.lake_keys() == []


def test_partition_param(place: Place, run_dag: Callable[..., Ran]) -> None:
    """The parameter `partition` chooses the day."""
    place.put_source(CALLS, CALLS_HEAD + CALL)
    run = run_dag("ingest_call_logs", DAYS[2], {"partition": "2025-11-20"})
    assert run.events[0]["partition"] == "2025-11-20"
    assert place.lake_keys("raw/") == ["raw/call_logs/2025/11/20/call_logs.parquet"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"{CALLS}: is empty"),
        (CALLS_HEAD.encode(), f"{CALLS}: has no rows"),
        ((CALLS_HEAD + CALL).replace(",", ";").encode(), "cells are separated by ';' instead of ','"),
        ((CALLS_HEAD + CALL + '1,"c2').encode(), "a quote is opened and not closed"),
        ((CALLS_HEAD + CALL + CALL[:-1] + ",x\n").encode(), f"{CALLS}, row 2: has 10 fields instead of 9"),
        ((CALLS_HEAD + CALL).replace("k1", "ké").encode("latin-1"), f"{CALLS}, row 1, column customer_id:"),
        (
            (CALLS_HEAD + CALL).replace("20/11", "31/11").encode(),
            "row 1, column call_logs_generation_date: '31/11/2025'",
        ),
        ((CALLS_HEAD + CALL).replace("agent ID", "agnet").encode(), f"{CALLS}, column agent_id: agent_id missing"),
    ],
)
def test_bad_source(place: Place, run_dag: Callable[..., Ran], content: bytes, message: str) -> None:
    """A bad source fails at once with one alert and leaves the lake as it was."""
    place.put_source(CALLS, content)
    run = run_dag("ingest_call_logs", DAYS[0])
    assert run.tasks == {"ingest": "failed"}
    assert run.events == []
    assert place.lake_keys() == []
    sent = [alert["text"] for alert in alerts(place) if run.run_id in alert["text"]]
    assert len(sent) == 1
    assert message.replace("&", "&amp;") in sent[0]


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ("", "is empty"),
        ("iD,NamE,years,state\n1,Ada,2,Lagos\n", "column experience: experience missing"),
    ],
)
def test_bad_sheet(
    place: Place, run_dag: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, sheet: str, message: str
) -> None:
    """The alert names the sheet and what is wrong with it."""
    mine = place.sheets / place.lake
    shutil.copytree(place.sheets / "telecoms-agents", mine)
    (mine / "agents.csv").write_text(sheet)
    monkeypatch.setenv("TELECOMS_AGENTS_SPREADSHEET_ID", place.lake)
    run = run_dag("ingest_agents")
    assert run.tasks == {"ingest": "failed"}
    (alert,) = [alert["text"] for alert in alerts(place) if run.run_id in alert["text"]]
    assert f"sheet {place.lake}/agents" in alert
    assert message in alert


def test_bad_file_in_lake(place: Place, run_dag: Callable[..., Ran]) -> None:
    """A bad file in the lake fails its own task and the run, and the other partitions are published."""
    place.put_source(CALLS, CALLS_HEAD + CALL)
    run_dag("ingest_call_logs", DAYS[0])
    run_dag("ingest_agents")
    place.s3.put_object(Bucket=place.lake, Key="raw/call_logs/2025/11/20/call_logs.parquet", Body=b"not Parquet")
    load = run_dag("load_warehouse")
    assert load.state == "failed"
    assert sorted(state for task, state in load.tasks.items() if task.startswith("stage")) == ["failed", "success"]
    assert load.tasks["publish"] == "success"
    assert load.events[0]["partitions"] == ["agents/current"]
    sent = [alert["text"] for alert in alerts(place) if load.run_id in alert["text"]]
    assert len(sent) == 1
    assert "raw/call_logs/2025/11/20/call_logs.parquet: is not Parquet" in sent[0]


def test_refused_login(place: Place, run_dag: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused login fails at once with an alert that names the connection and hides the password."""
    connection = json.loads(place.env["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
    connection["password"] = "wrong-and-secret"  # pragma: allowlist secret
    monkeypatch.setenv("AIRFLOW_CONN_SNOWFLAKE_DEFAULT", json.dumps(connection))
    run = run_dag("transform_marts")
    assert run.tasks["snapshot"] == "failed"
    (alert,) = [alert["text"] for alert in alerts(place) if run.run_id in alert["text"]]
    assert "Snowflake refused" in alert
    assert "AIRFLOW_CONN_SNOWFLAKE_DEFAULT" in alert
    assert "wrong-and-secret" not in alert

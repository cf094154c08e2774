"""The assets of a DAG file are read as Airflow reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, Asset, AssetAlias, AssetAll, AssetAny
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable

from workbench.chain.conditions import Group, Term
from workbench.chain.dags import Dag, from_airflow, read_dags

if TYPE_CHECKING:
    from workbench.chain.conditions import Condition

A, B = Asset("a", uri="x-test://a"), Asset("b", uri="x-test://b")
TERM_A, TERM_B = Term("asset", "a", "x-test://a"), Term("asset", "b", "x-test://b")
CRON = CronTriggerTimetable("0 6 * * 1", timezone="UTC")

STRANGER = """
from airflow.sdk import Asset, AssetAlias, asset, dag, task

@asset(schedule="@daily", uri="x-test://bronze")
def bronze(): ...

@asset.multi(schedule=bronze, outlets=[Asset("silver"), Asset("gold")])
def both(): ...

@dag(schedule=both)
def consumer():
    @task(outlets=[Asset("out"), AssetAlias("later")])
    def write(): ...
    write()

consumer()
"""


def read(schedule: Any) -> Dag:
    return from_airflow(DAG("d", schedule=schedule, start_date=datetime(2024, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("schedule", "condition", "by_time"),
    [
        (None, None, ""),
        ("@daily", None, "0 0 * * *"),
        (A, TERM_A, ""),
        ([A], TERM_A, ""),
        ([A, B], Group("all", (TERM_A, TERM_B)), ""),
        (A | B, Group("any", (TERM_A, TERM_B)), ""),
        (AssetAll(A, AssetAny(B, A)), Group("all", (TERM_A, Group("any", (TERM_B, TERM_A)))), ""),
        (AssetAlias("x"), Term("alias", "x"), ""),
        (Asset.ref(name="a"), Term("name", "a"), ""),
        (Asset.ref(uri="x-test://a"), Term("uri", "x-test://a", "x-test://a"), ""),
        (AssetOrTimeSchedule(timetable=CRON, assets=[A, B]), Group("all", (TERM_A, TERM_B)), "0 6 * * 1"),
        (AssetOrTimeSchedule(timetable=CRON, assets=A | B), Group("any", (TERM_A, TERM_B)), "0 6 * * 1"),
    ],
)
def test_schedule(schedule: Any, condition: Condition | None, by_time: str) -> None:
    """A schedule becomes a condition and a time."""
    found = read(schedule)
    assert (found.condition, found.schedule) == (condition, by_time)


def test_when() -> None:
    """What starts a DAG is said in words."""
    assert read(None).when == "by hand only"
    assert read(AssetOrTimeSchedule(timetable=CRON, assets=(A & B) | B)).when == "(a and b) or b; or by time, 0 6 * * 1"


@pytest.mark.filterwarnings("ignore")  # of Airflow itself, while it parses
def test_asset_functions(tmp_path: Path) -> None:
    """Assets that are functions are read, and a file that does not import is named."""
    (tmp_path / "stranger.py").write_text(STRANGER)
    (tmp_path / "broken.py").write_text("import airflow, dag, nonsense_that_is_not_there\n")
    files = read_dags(tmp_path)
    assert set(files.dags) == {"bronze", "both", "consumer"}
    assert files.dags["bronze"].outlets == (Term("asset", "bronze", "x-test://bronze"),)
    assert files.dags["both"].condition == Term("asset", "bronze", "x-test://bronze")
    assert [str(term) for term in files.dags["both"].outlets] == ["silver", "gold"]
    assert str(files.dags["consumer"].condition) == "silver and gold"
    assert [str(term) for term in files.dags["consumer"].outlets] == ["out", "alias later"]
    ((file, error),) = files.errors.items()
    assert Path(file).name == "broken.py"
    assert error.startswith("ModuleNotFoundError")

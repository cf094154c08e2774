"""What the tasks call, where it decides something itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from airflow.exceptions import AirflowFailException, AirflowSkipException

from common.defaults import daily_defaults
from common.error_mapping import airflow_errors
from common.errors import AccessRefusedError, BadDataError, SourceMissingError, StatementRefusedError
from common.pipeline import day_of
from common.settings import Settings, sheet_of

DAY = datetime(2025, 11, 20, tzinfo=UTC)


def test_day() -> None:
    """The day is the logical date, unless the parameter names another."""
    assert day_of({"partition": None}, DAY) == "2025-11-20"
    assert day_of({"partition": "2025-11-22"}, DAY) == "2025-11-22"
    assert day_of({"partition": "2025-11-22"}, None) == "2025-11-22"


def test_no_day() -> None:
    """The error of a run without a day says how to pass one."""
    with pytest.raises(AirflowFailException, match="or with the parameter partition=YYYY-MM-DD"):
        day_of({}, None)


@pytest.mark.parametrize(
    "error", [BadDataError("f", "is bad"), AccessRefusedError("S", "no", "c"), StatementRefusedError("wrong")]
)
def test_no_retry(error: Exception) -> None:
    """What a retry cannot fix is not retried."""
    with pytest.raises(AirflowFailException, match=str(error)[:5]), airflow_errors():
        raise error


def test_skip_and_retry() -> None:
    """A missing source is a skip; any other error may be retried."""
    with pytest.raises(AirflowSkipException, match="not there"), airflow_errors():
        raise SourceMissingError("not there")
    with pytest.raises(ConnectionError), airflow_errors():
        raise ConnectionError


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from the environment; an empty one has its default."""
    monkeypatch.setenv("TELECOMS_LAKE_BUCKET", " other ")
    monkeypatch.setenv("TELECOMS_SOURCE_BUCKET", "")
    monkeypatch.setenv("TELECOMS_END_DATE", "")
    settings = Settings.from_environment()
    assert (settings.lake_bucket, settings.source_bucket, settings.end) == ("other", "telecoms-source", None)


def test_bad_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a date that is not valid names its variable."""
    monkeypatch.setenv("TELECOMS_START_DATE", "20/11/2025")
    with pytest.raises(ValueError, match="TELECOMS_START_DATE is '20/11/2025', which is not a valid date: write it as"):
        Settings.from_environment()


def test_sheet_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sheet has a spreadsheet and a range of its own, named after its dataset."""
    assert sheet_of("agents") == ("telecoms-agents", "agents")
    monkeypatch.setenv("TELECOMS_TEAMS_SPREADSHEET_ID", "1x2y")
    monkeypatch.setenv("TELECOMS_TEAMS_RANGE", "teams!A:C")
    assert sheet_of("teams") == ("1x2y", "teams!A:C")
    assert sheet_of("agents") == ("telecoms-agents", "agents")


def test_one_param_for_each_dag() -> None:
    """The day of one DAG's run is not the day of another's."""
    first, second = daily_defaults()["params"]["partition"], daily_defaults()["params"]["partition"]
    first.resolve("2025-11-20")
    assert second.resolve() is None

"""What the tasks call, where it decides something itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from airflow.exceptions import AirflowFailException, AirflowSkipException

from common.error_mapping import airflow_errors
from common.errors import AccessRefusedError, BadDataError, SourceMissingError, StatementRefusedError
from common.pipeline import day_of
from common.settings import Settings

DAY = datetime(2025, 11, 20, tzinfo=UTC)


def test_the_day_comes_from_the_logical_date_unless_the_parameter_says_another() -> None:
    assert day_of({"partition": None}, DAY) == "2025-11-20"
    assert day_of({"partition": "2025-11-22"}, DAY) == "2025-11-22"
    assert day_of({"partition": "2025-11-22"}, None) == "2025-11-22"


def test_a_run_without_a_day_says_how_to_give_one() -> None:
    with pytest.raises(AirflowFailException, match="trigger it with one, or with the parameter partition=YYYY-MM-DD"):
        day_of({}, None)


@pytest.mark.parametrize(
    "error", [BadDataError("f", "is bad"), AccessRefusedError("S", "no", "c"), StatementRefusedError("wrong")]
)
def test_what_trying_again_cannot_mend_is_not_tried_again(error: Exception) -> None:
    with pytest.raises(AirflowFailException, match=str(error)[:5]), airflow_errors():
        raise error


def test_a_missing_source_is_a_skip_and_anything_else_may_be_retried() -> None:
    with pytest.raises(AirflowSkipException, match="not there"), airflow_errors():
        raise SourceMissingError("not there")
    with pytest.raises(ConnectionError), airflow_errors():
        raise ConnectionError


def test_settings_come_from_the_environment_and_an_empty_one_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELECOMS_LAKE_BUCKET", " other ")
    monkeypatch.setenv("TELECOMS_SOURCE_BUCKET", "")
    monkeypatch.setenv("TELECOMS_END_DATE", "")
    settings = Settings.from_environment()
    assert (settings.lake_bucket, settings.source_bucket, settings.end) == ("other", "telecoms-source", None)


def test_a_date_that_is_none_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELECOMS_START_DATE", "20/11/2025")
    with pytest.raises(ValueError, match="TELECOMS_START_DATE is '20/11/2025', which is not a valid date: write it as"):
        Settings.from_environment()

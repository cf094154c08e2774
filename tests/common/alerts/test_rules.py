"""Alert rules: what each one reports."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from common.alerts import rules
from common.alerts.ledger import Ledger, key_of
from common.alerts.message import Failure
from workbench.airflow import failures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SINCE = datetime(2025, 11, 20, tzinfo=UTC)
CASE = Failure(kind="rule", headline="Few calls: 12", dag="d", run="r", reason="ask the call centre")


@pytest.fixture
def airflow_session() -> Iterator[Session]:
    """Return a session of an empty database of Airflow's."""
    from airflow.models import import_all_models  # noqa: PLC0415
    from airflow.models.base import Base  # noqa: PLC0415  # Airflow's home is set first

    import_all_models()
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def test_broken_rule(
    airflow_session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A rule that fails is named in the log, and the others report their cases."""

    def broken(session: Session, _since: datetime) -> Any:
        return session.execute(text("SELECT no_such_column"))

    monkeypatch.setattr(rules, "RULES", [broken, lambda _session, _since: [CASE]])
    assert list(rules.cases(airflow_session, SINCE)) == [CASE]
    assert "The alert rule broken failed" in caplog.text


def test_round(airflow_session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler's look at the database records the cases of the rules."""
    monkeypatch.setattr("airflow.utils.session.create_session", lambda: nullcontext(airflow_session))
    monkeypatch.setattr(rules, "RULES", [lambda _session, _since: [CASE]])
    ledger = Ledger(tmp_path / "alerts.db")
    failures.write_down(ledger)
    assert [message.failure for message in ledger.queued()] == [CASE]


def test_found_again(tmp_path: Path) -> None:
    """A case that is found again is known; another run or headline is another case."""
    ledger = Ledger(tmp_path / "alerts.db")
    others = [Failure.from_record(CASE.record | change) for change in ({"run": "s"}, {"headline": "Few calls: 13"})]
    for case in (CASE, CASE, *others):
        ledger.add(case, send=False)
    assert [message.key for message in ledger.queued()] == [key_of(case) for case in (CASE, *others)]


def test_message() -> None:
    """The message has the rule's words, and its button opens the run, or Airflow where there is none."""
    assert CASE.text == "Few calls: 12, run r: ask the call centre"
    assert CASE.blocks[-1]["elements"][0]["text"]["text"] == "Open run"
    assert Failure(kind="rule", headline="Few calls").blocks[-1]["elements"][0]["text"]["text"] == "Open Airflow"

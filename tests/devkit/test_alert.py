"""`./dev alert` sends real messages, and none to a real Slack that nobody asked for."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from common.alerts.samples import samples
from devkit import cli

if TYPE_CHECKING:
    from standins import Connections

REAL = "AIRFLOW_CONN_SLACK_API_DEFAULT"


@pytest.fixture
def channel(pipeline_standins: Connections, monkeypatch: pytest.MonkeyPatch) -> str:
    """A channel of this test's own, at stand-ins that run where this checkout would have them."""
    name = f"#alert-{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("STANDINS_PORT", pipeline_standins.page_url.rpartition(":")[2])
    monkeypatch.setenv("STANDINS_S3_PORT", pipeline_standins.s3_url.rpartition(":")[2])
    monkeypatch.setenv("STANDINS_SNOWFLAKE_PORT", str(pipeline_standins.snowflake_port))
    monkeypatch.setenv("AIRFLOW_ALERT_CHANNEL", name)
    return name


def messages(standins: Connections, channel: str) -> list[dict[str, Any]]:
    received = httpx.get(f"{standins.page_url}/slack/messages", trust_env=False).json()
    return [message for message in received if message["channel"] == channel]


def token(standins: Connections, word: str) -> str:
    extra = {"base_url": f"{standins.page_url}/api/"}
    return json.dumps({"conn_type": "slack", "password": word, "extra": extra})


def test_every_kind_arrives_and_the_inbox_is_named(
    pipeline_standins: Connections, channel: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["alert", "--mode", "native", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"]
    assert told["inbox"] == f"{pipeline_standins.page_url}/slack"
    assert [each["kind"] for each in told["messages"]] == list(samples())
    assert {each["channel"] for each in told["messages"]} == {channel}
    received = messages(pipeline_standins, channel)
    titles = [message["blocks"][0]["text"]["text"] for message in received]
    assert titles == [each["title"] for each in told["messages"]]
    assert {message["username"] for message in received} == {"Airflow (sample)"}


def test_one_kind_can_be_chosen(
    pipeline_standins: Connections, channel: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["alert", "memory", "--mode", "native"]) == 0
    assert f"1 sent to {channel}. Look at them: {pipeline_standins.page_url}/slack" in capsys.readouterr().out
    assert len(messages(pipeline_standins, channel)) == 1


def test_an_unknown_kind_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["alert", "nonsense"]) == 1
    assert capsys.readouterr().err.startswith("error: there is no sample nonsense\n")


def test_a_real_slack_gets_nothing_unasked_and_what_it_refuses_is_told_with_what_mends_it(
    pipeline_standins: Connections,
    channel: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(REAL, token(pipeline_standins, "xoxb-offline-only-users:read"))
    assert cli.main(["alert", "memory", "--mode", "native"]) == 1
    assert "is a real Slack: its channel would get 1 sample message" in capsys.readouterr().err
    assert cli.main(["alert", "memory", "run", "--mode", "native", "--real"]) == 1
    error = capsys.readouterr().err
    assert "Slack did not take message 1 of 2\n  why:  Slack says missing_scope\n" in error
    assert "install it again" in error
    assert messages(pipeline_standins, channel) == []


def test_stand_ins_that_do_not_run_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, port in (("STANDINS_PORT", 9), ("STANDINS_S3_PORT", 10), ("STANDINS_SNOWFLAKE_PORT", 11)):
        monkeypatch.setenv(name, str(port))
    assert cli.main(["alert", "--mode", "native"]) == 1
    assert "mend: ./dev up" in capsys.readouterr().err

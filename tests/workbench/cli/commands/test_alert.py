"""`./dev alert` sends real messages, and none to a real Slack that nobody asked for."""

from __future__ import annotations

import json
import os
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from workbench.cli import main
from workbench.cli.alert_samples import samples
from workbench.cli.backends.native.backend import Native

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.cli.settings import Settings
    from workbench.emulators import Connections


@pytest.fixture
def channel(
    pipeline_emulators: Connections, runnable: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Return a channel of this test's own, in a checkout whose emulators are those of the tests."""

    def make(**settings: str) -> str:
        name = f"#alert-{uuid.uuid4().hex[:8]}"
        ports = {
            "EMULATORS_PORT": pipeline_emulators.page_url.rpartition(":")[2],
            "EMULATORS_S3_PORT": pipeline_emulators.s3_url.rpartition(":")[2],
            "EMULATORS_SNOWFLAKE_PORT": str(pipeline_emulators.snowflake_port),
        }
        environment = {**os.environ, **ports, "AIRFLOW_ALERT_CHANNEL": name, **settings}
        monkeypatch.setattr("workbench.cli.backends.choice.chosen", lambda _args: Native(runnable(**environment)))
        return name

    return make


def messages(emulators: Connections, channel: str) -> list[dict[str, Any]]:
    received = httpx.get(f"{emulators.page_url}/slack/messages", trust_env=False).json()
    return [message for message in received if message["channel"] == channel]


def token(emulators: Connections, word: str) -> str:
    extra = {"base_url": f"{emulators.page_url}/api/"}
    return json.dumps({"conn_type": "slack", "password": word, "extra": extra})


def test_every_kind_arrives_and_the_inbox_is_named(
    pipeline_emulators: Connections, channel: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = channel()
    assert main.main(["alert", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"]
    assert told["inbox"] == f"{pipeline_emulators.page_url}/slack"
    assert [each["kind"] for each in told["messages"]] == list(samples())
    assert {each["channel"] for each in told["messages"]} == {name}
    received = messages(pipeline_emulators, name)
    titles = [message["blocks"][0]["text"]["text"] for message in received]
    assert titles == [each["title"] for each in told["messages"]]
    assert {message["username"] for message in received} == {"Airflow (sample)"}


def test_one_kind_can_be_chosen(
    pipeline_emulators: Connections, channel: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = channel()
    assert main.main(["alert", "memory"]) == 0
    assert f"1 sent to {name}. Look at them: {pipeline_emulators.page_url}/slack" in capsys.readouterr().out
    assert len(messages(pipeline_emulators, name)) == 1


def test_an_unknown_kind_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["alert", "nonsense"]) == 1
    assert capsys.readouterr().err.startswith("error: there is no sample nonsense\n")


def test_a_real_slack_gets_nothing_unasked_and_what_it_refuses_is_told_with_what_mends_it(
    pipeline_emulators: Connections, channel: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    extra = {"base_url": f"{pipeline_emulators.page_url}/api/"}
    word = "xoxb-offline-only-users:read"
    real = json.dumps({"conn_type": "slack", "password": word, "extra": extra})
    name = channel(AIRFLOW_CONN_SLACK_API_DEFAULT=real)
    assert main.main(["alert", "memory"]) == 1
    assert "is a real Slack: its channel would get 1 sample message" in capsys.readouterr().err
    assert main.main(["alert", "memory", "run", "--real"]) == 1
    error = capsys.readouterr().err
    assert "Slack did not take message 1 of 2\n  why:  Slack says missing_scope\n" in error
    assert "install it again" in error
    assert messages(pipeline_emulators, name) == []


def test_stand_ins_that_do_not_run_are_told_at_once(
    channel: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    channel(EMULATORS_PORT="9")
    assert main.main(["alert"]) == 1
    assert "fix:  ./dev up" in capsys.readouterr().err

"""`./dev alert` sends real messages, and to a real Slack only after it has asked."""

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
        monkeypatch.setattr("workbench.cli.backends.choice.choose", lambda _args: Native(runnable(**environment)))
        return name

    return make


def messages(emulators: Connections, channel: str) -> list[dict[str, Any]]:
    received = httpx.get(f"{emulators.page_url}/slack/messages", trust_env=False).json()
    return [message for message in received if message["channel"] == channel]


def token(emulators: Connections, word: str) -> str:
    extra = {"base_url": f"{emulators.page_url}/api/"}
    return json.dumps({"conn_type": "slack", "password": word, "extra": extra})


def test_all(pipeline_emulators: Connections, channel: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    """A sample of every kind arrives, and the inbox is named."""
    name = channel()
    assert main.main(["alert", "--json"]) == 0
    sent = json.loads(capsys.readouterr().out)
    assert sent["ok"]
    assert sent["inbox"] == f"{pipeline_emulators.page_url}/slack"
    assert [each["kind"] for each in sent["messages"]] == list(samples())
    assert {each["channel"] for each in sent["messages"]} == {name}
    received = messages(pipeline_emulators, name)
    titles = [message["blocks"][0]["text"]["text"] for message in received]
    assert titles == [each["title"] for each in sent["messages"]]
    assert {message["username"] for message in received} == {"Airflow (sample)"}


def test_one(pipeline_emulators: Connections, channel: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    """One kind can be chosen."""
    name = channel()
    assert main.main(["alert", "memory"]) == 0
    assert f"1 sent to {name}. Read them: {pipeline_emulators.page_url}/slack" in capsys.readouterr().out
    assert len(messages(pipeline_emulators, name)) == 1


def test_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown kind is one message."""
    assert main.main(["alert", "nonsense"]) == 1
    assert capsys.readouterr().err.startswith("error: the sample nonsense does not exist\n")


def test_real(pipeline_emulators: Connections, channel: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    """A real Slack gets nothing unasked; what it refuses is reported with the fix."""
    extra = {"base_url": f"{pipeline_emulators.page_url}/api/"}
    word = "xoxb-offline-only-users:read"
    real = json.dumps({"conn_type": "slack", "password": word, "extra": extra})
    name = channel(AIRFLOW_CONN_SLACK_API_DEFAULT=real)
    assert main.main(["alert", "memory"]) == 1
    assert "is a real Slack: its channel would get 1 sample message" in capsys.readouterr().err
    assert main.main(["alert", "memory", "run", "--real"]) == 1
    error = capsys.readouterr().err
    assert "Slack did not accept message 1 of 2\n  why:  Slack says missing_scope\n" in error
    assert "install it again" in error
    assert messages(pipeline_emulators, name) == []


def test_emulators_down(channel: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    """Emulators that do not run are reported at once."""
    channel(EMULATORS_PORT="9")
    assert main.main(["alert"]) == 1
    assert "fix:  ./dev up" in capsys.readouterr().err

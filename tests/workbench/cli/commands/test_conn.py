"""Connections are shown without anything that could be a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from workbench.cli import conn_probe
from workbench.cli.backends.native.backend import Native
from workbench.cli.commands import conn
from workbench.cli.settings import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.cli.settings import Settings
    from workbench.emulators import Connections

SECRETS = ("sesame-open", "AKIASECRET", "-----BEGIN KEY-----")
SNOWFLAKE = json.dumps(
    {
        "conn_type": "snowflake",
        "login": "me",
        "password": SECRETS[0],
        "extra": {"account": "my-org", "private_key_content": SECRETS[2], "nested": {"token": SECRETS[1]}},
    }
)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (SNOWFLAKE, "my-org"),
        ('{"conn_type": "aws", "extra": "{\\"endpoint_url\\": \\"http://u:sesame-open@host:1/x\\"}"}', "http://host:1"),
        ('{"conn_type": "aws", "extra": {"region_name": "eu-west-1"}}', "eu-west-1"),
        ('{"conn_type": "slack", "password": "sesame-open"}', "the vendor's own address"),
        ('{"conn_type": "snowflake", "extra": {"host": "127.0.0.1", "port": 8092}}', "127.0.0.1:8092"),
        ("postgresql://me:sesame-open@host:5432/db", "host"),
    ],
)
def test_listed(value: str, where: str) -> None:
    """The list shows where a connection goes, and no secret."""
    shown = conn.show(Connection("mine", value, is_emulator=False))
    assert shown.where == where
    assert not [secret for secret in SECRETS if secret in str(vars(shown))]


@pytest.mark.parametrize("secret", SECRETS)
def test_redacted(secret: str) -> None:
    """An answer that repeats a secret is redacted."""
    assert conn.redact(f"250001: {secret} is wrong, my-org said", SNOWFLAKE) == "250001: *** is wrong, my-org said"


def test_redacted_uri() -> None:
    """A URI's password is redacted."""
    assert conn.redact("no to sesame-open", "postgresql://me:sesame-open@host/db") == "no to ***"


def test_verdict() -> None:
    """A failed test fails the command; an untested connection does not."""
    untested = conn.Shown("a", "aws", is_emulator=True, where="here")
    failed = conn.Shown("b", "aws", is_emulator=False, where="there", works=False, answer="[403] no")
    assert conn.Connections((untested,)).ok
    both = conn.Connections((untested, failed))
    assert not both.ok
    console = Console(record=True, width=200)
    both.to_text(console)
    assert "REAL" in console.export_text(clear=False)
    assert "[403] no" in console.export_text()


def test_no_answer(load: Callable[..., Settings]) -> None:
    """A connection that does not answer is reported without its secret."""
    value = {"conn_type": "slack", "password": "sesame-open", "extra": {"base_url": "http://127.0.0.1:9/sesame-open/"}}
    settings = load(f"AIRFLOW_CONN_MINE='{json.dumps(value)}'\n")
    connection = next(each for each in settings.connections if each.conn_id == "mine")
    shown = conn.probe(settings, Native(settings).python(), connection)
    assert shown.works is False
    assert "sesame-open" not in shown.answer


def test_not_tested(load: Callable[..., Settings]) -> None:
    """A connection of a type without a test is listed as not tested, and does not fail the command."""
    settings = load("AIRFLOW_CONN_MINE=ssh://me@host\n")
    mine = next(each for each in settings.connections if each.conn_id == "mine")
    found = conn.Connections((conn.probe(settings, ["false"], mine),))
    assert found.ok
    console = Console(record=True, width=200)
    found.to_text(console)
    assert "not tested  there is no test for the type ssh" in console.export_text()


@pytest.fixture
def slack(pipeline_emulators: Connections, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a Slack connection with this token as the environment has it."""

    def make(token: str) -> str:
        extra = {"base_url": f"{pipeline_emulators.page_url}/api/"}
        value = json.dumps({"conn_type": "slack", "password": token, "extra": extra})
        monkeypatch.setenv("AIRFLOW_CONN_MINE", value)
        return value

    return make


@pytest.mark.parametrize(
    ("token", "answer"),
    [
        ("xoxb-offline", "workbench in Offline, may post to every public channel"),
        ("xoxb-offline-only-chat:write", "workbench in Offline, may post to channels that it was invited to"),
    ],
)
def test_slack(slack: Callable[[str], str], token: str, answer: str) -> None:
    """A Slack bot says where it may post."""
    slack(token)
    assert conn_probe.slack("mine") == answer


@pytest.mark.parametrize(
    ("token", "answer"),
    [
        ("xoxb-offline-only-users:read", "lacks the scope chat:write, it has users:read. Add the scope chat:write"),
        ("xoxb-offline-only-", "lacks the scope chat:write, it has none. Add the scope chat:write"),
        ("xoxb-of-nobody", "Slack says invalid_auth. The token is not valid"),
    ],
)
def test_slack_refused(slack: Callable[[str], str], token: str, answer: str) -> None:
    """A Slack bot that cannot post is refused, with the fix."""
    slack(token)
    with pytest.raises(conn_probe.RefusedError, match=answer):
        conn_probe.slack("mine")


def test_slack_scope(slack: Callable[[str], str], runnable: Callable[..., Settings]) -> None:
    """The command names the scope that a Slack bot lacks."""
    settings = runnable(f"AIRFLOW_CONN_MINE='{slack('xoxb-offline-only-users:read')}'\n")
    mine = next(each for each in settings.connections if each.conn_id == "mine")
    shown = conn.probe(settings, Native(settings).python(), mine)
    assert shown.works is False
    assert shown.answer.startswith("workbench in Offline lacks the scope chat:write")
    assert "xoxb" not in shown.answer

"""Slack, driven by slack_sdk."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.emulators import Connections


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


TEXT = {"type": "mrkdwn", "text": "x"}


def test_auth(slack: WebClient) -> None:
    """auth.test accepts the token and returns its scopes."""
    answer = slack.auth_test()
    assert answer["ok"]
    assert answer["team"] == "Offline"
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")


def test_message(slack: WebClient, page: httpx.Client) -> None:
    """A message is stored as it was sent."""
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "Task failed"}}, section("*why* <b>")]
    answer = slack.chat_postMessage(channel="#kept", text="fallback", blocks=blocks)
    [kept] = [message for message in page.get("/slack/messages").json() if message["channel"] == "#kept"]
    assert kept == {"ts": answer["ts"], "channel": "#kept", "text": "fallback", "blocks": blocks}
    assert answer["message"]["blocks"] == blocks


def test_form(page: httpx.Client) -> None:
    """Blocks may be JSON in a form."""
    form = {"channel": "form", "blocks": json.dumps([section("x")]), "token": "xoxb-offline"}
    assert page.post("/api/chat.postMessage", data=form).json()["ok"]
    [kept] = [message for message in page.get("/slack/messages").json() if message["channel"] == "form"]
    assert kept["blocks"] == [section("x")]
    assert "token" not in kept


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "Not A Channel", "text": "x"}, "channel_not_found"),
        ({"channel": "", "text": "x"}, "channel_not_found"),
        ({"channel": "#errors"}, "no_text"),
        ({"channel": "#errors", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "#errors", "blocks": "[{"}, "invalid_blocks_format"),
        ({"channel": "#errors", "blocks": [section("x")] * 51}, "invalid_blocks"),
        ({"channel": "#errors", "blocks": [section("x" * 3001)]}, "invalid_blocks"),
        ({"channel": "#errors", "blocks": [section("")]}, "invalid_blocks"),
        ({"channel": "#errors", "blocks": [{"type": "sectoin"}]}, "invalid_blocks"),
        (
            {"channel": "#errors", "blocks": [{"type": "section", "fields": [section("x")["text"]] * 11}]},
            "invalid_blocks",
        ),
        ({"channel": "#errors", "blocks": [{"type": "header", "text": section("x")["text"]}]}, "invalid_blocks"),
        ({"channel": "#errors", "blocks": [header("x" * 151)]}, "invalid_blocks"),
        ({"channel": "#errors", "blocks": [{"type": "context", "elements": ["x"]}]}, "invalid_blocks"),
        ({"channel": "#errors", "blocks": [{"type": "context", "elements": [TEXT] * 11}]}, "invalid_blocks"),
        ({"channel": "#errors", "blocks": [{"type": "markdown", "text": "x" * 12_001}]}, "invalid_blocks"),
        (
            {"channel": "#errors", "blocks": [{"type": "section", "fields": [TEXT | {"text": "x" * 2001}]}]},
            "invalid_blocks",
        ),
        (
            {
                "channel": "#errors",
                "blocks": [
                    {
                        "type": "actions",
                        "elements": [
                            {"type": "button", "text": {"type": "plain_text", "text": "log"}, "url": "h" * 3001}
                        ],
                    }
                ],
            },
            "invalid_blocks",
        ),
    ],
)
def test_invalid_message(slack: WebClient, page: httpx.Client, arguments: dict[str, Any], error: str) -> None:
    """A message that is not valid gets Slack's error and is not stored."""
    before = len(page.get("/slack/messages").json())
    with pytest.raises(SlackApiError) as refusal:
        slack.api_call("chat.postMessage", json=arguments)
    assert refusal.value.response["error"] == error
    assert len(page.get("/slack/messages").json()) == before


def test_block_pointer(slack: WebClient) -> None:
    """The error names the invalid block."""
    with pytest.raises(SlackApiError) as refusal:
        slack.chat_postMessage(channel="#errors", text="x", blocks=[section("x"), section("x" * 3001)])
    assert refusal.value.response["response_metadata"]["messages"] == [
        "[ERROR] must be less than 3001 characters [json-pointer:/blocks/1/text/text]"
    ]


def test_limits(slack: WebClient) -> None:
    """A message at the limits is accepted."""
    blocks = [section("x" * 3000)] * 4 + [{"type": "divider"}] * 46
    assert slack.chat_postMessage(channel="#limits", text="x" * 40_000, blocks=blocks)["ok"]
    field = section("x" * 1000)["text"]
    fields = {"type": "section", "fields": [field] * 10}
    assert slack.chat_postMessage(channel="#limits", text="x", blocks=[header("é" * 150), fields])["ok"]


def test_total_length(slack: WebClient) -> None:
    """Blocks that are too long together are refused."""
    with pytest.raises(SlackApiError, match="msg_blocks_too_long"):
        slack.chat_postMessage(channel="#errors", text="x", blocks=[section("x" * 3000)] * 5)


@pytest.mark.parametrize(("token", "error"), [("xoxb-other", "invalid_auth"), ("", "not_authed")])
def test_invalid_token(emulators: Connections, token: str, error: str) -> None:
    """Only the known token is accepted."""
    answer = httpx.post(
        f"{emulators.page_url}/api/auth.test",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        trust_env=False,
    )
    assert (answer.status_code, answer.json()) == (httpx.codes.OK, {"ok": False, "error": error})


def test_missing_scope(emulators: Connections, page: httpx.Client) -> None:
    """A token without the scope gets an error that names the scope."""
    client = WebClient("xoxb-offline-only-channels:read,users:read", f"{emulators.page_url}/api/", retry_handlers=[])
    assert client.auth_test().headers["x-oauth-scopes"] == "channels:read,users:read"
    with pytest.raises(SlackApiError) as refusal:
        client.chat_postMessage(channel="#scopes", text="x")
    answer = refusal.value.response
    assert answer["error"] == "missing_scope"
    assert (answer["needed"], answer["provided"]) == ("chat:write:bot", "channels:read,users:read")
    assert answer.headers["x-accepted-oauth-scopes"] == "chat:write"
    assert "#scopes" not in page.get("/slack/messages").text


def test_unsupported(slack: WebClient) -> None:
    """An unknown method is refused."""
    with pytest.raises(SlackApiError, match="unknown_method"):
        slack.conversations_list()


def test_rate_limit(slack: WebClient) -> None:
    """A channel with too many messages is limited, and other channels are not."""

    def flood() -> None:
        for number in range(100):
            slack.chat_postMessage(channel="#flooded", text=str(number))

    with pytest.raises(SlackApiError) as refusal:
        flood()
    assert refusal.value.response.status_code == httpx.codes.TOO_MANY_REQUESTS
    assert refusal.value.response["error"] == "ratelimited"
    assert int(refusal.value.response.headers["Retry-After"]) >= 1
    assert slack.chat_postMessage(channel="#calm", text="x")["ok"]


def test_faults(slack: WebClient, fault: Callable[..., None]) -> None:
    """Faults limit, refuse, fail and drop."""
    fault(service="slack", kind="limit", seconds=7, times=1)
    fault(service="slack", kind="error", error="not_in_channel", times=1)
    fault(service="slack", kind="error", times=1)
    fault(service="slack", kind="drop", times=1)
    with pytest.raises(SlackApiError) as limited:
        slack.chat_postMessage(channel="#faults", text="x")
    assert limited.value.response.headers["Retry-After"] == "7"
    with pytest.raises(SlackApiError, match="not_in_channel"):
        slack.chat_postMessage(channel="#faults", text="x")
    with pytest.raises((SlackApiError, SlackRequestError), match=r"500|internal_error"):
        slack.chat_postMessage(channel="#faults", text="x")
    with pytest.raises(Exception, match=r"(?i)incomplete|closed|reset"):
        slack.chat_postMessage(channel="#faults", text="x")
    assert slack.chat_postMessage(channel="#faults", text="x")["ok"]


@pytest.mark.parametrize(
    "error", ["invalid_auth", "account_inactive", "channel_not_found", "is_archived", "missing_scope", "fatal_error"]
)
def test_error_fault(slack: WebClient, fault: Callable[..., None], page: httpx.Client, error: str) -> None:
    """A fault can return any of Slack's errors."""
    fault(service="slack", kind="error", error=error, match="chat.postMessage")
    assert slack.auth_test()["ok"]
    with pytest.raises(SlackApiError) as refusal:
        slack.chat_postMessage(channel="#refused", text="x")
    assert refusal.value.response.status_code == httpx.codes.OK
    assert refusal.value.response["error"] == error
    assert ("needed" in refusal.value.response.data) == (error == "missing_scope")
    assert "#refused" not in page.get("/slack/messages").text


def test_hang(emulators: Connections, fault: Callable[..., None], page: httpx.Client) -> None:
    """A hanging request whose client gave up has no effect."""
    leaving = WebClient("xoxb-offline", f"{emulators.page_url}/api/", timeout=1, retry_handlers=[])
    fault(service="slack", kind="hang", seconds=2, times=2)
    with pytest.raises(TimeoutError):
        leaving.chat_postMessage(channel="#gone", text="x")
    waiting = WebClient("xoxb-offline", f"{emulators.page_url}/api/", timeout=20, retry_handlers=[])
    assert waiting.chat_postMessage(channel="#waiting", text="x")["ok"]  # began later, so the other's wait is over
    kept = page.get("/slack/messages").text
    assert "#waiting" in kept
    assert "#gone" not in kept


def test_slow(emulators: Connections, fault: Callable[..., None], page: httpx.Client) -> None:
    """A slow response outlasts a client's timeout: each byte is in time, so only a limit on the whole call ends it."""
    client = WebClient("xoxb-offline", f"{emulators.page_url}/api/", timeout=1, retry_handlers=[])
    fault(service="slack", kind="slow", seconds=3, times=1)
    began = time.monotonic()
    assert client.chat_postMessage(channel="#trickle", text="x")["ok"]
    assert time.monotonic() - began >= 2.9
    assert "#trickle" in page.get("/slack/messages").text


def test_lose(slack: WebClient, fault: Callable[..., None], page: httpx.Client) -> None:
    """A response can be lost after the message was stored."""
    fault(service="slack", kind="lose", times=1)
    with pytest.raises(Exception, match=r"(?i)incomplete|closed|reset"):
        slack.chat_postMessage(channel="#lost", text="x")
    assert "#lost" in page.get("/slack/messages").text

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


def test_the_token_is_tested(slack: WebClient) -> None:
    answer = slack.auth_test()
    assert answer["ok"]
    assert answer["team"] == "Offline"
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")


def test_a_message_is_kept_as_it_was_sent(slack: WebClient, page: httpx.Client) -> None:
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "Task failed"}}, section("*why* <b>")]
    answer = slack.chat_postMessage(channel="#kept", text="fallback", blocks=blocks)
    [kept] = [message for message in page.get("/slack/messages").json() if message["channel"] == "#kept"]
    assert kept == {"ts": answer["ts"], "channel": "#kept", "text": "fallback", "blocks": blocks}
    assert answer["message"]["blocks"] == blocks


def test_blocks_may_come_as_json_in_a_form(page: httpx.Client) -> None:
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
def test_a_bad_message_gets_slacks_error_and_is_not_kept(
    slack: WebClient, page: httpx.Client, arguments: dict[str, Any], error: str
) -> None:
    before = len(page.get("/slack/messages").json())
    with pytest.raises(SlackApiError) as refusal:
        slack.api_call("chat.postMessage", json=arguments)
    assert refusal.value.response["error"] == error
    assert len(page.get("/slack/messages").json()) == before


def test_the_block_at_fault_is_named(slack: WebClient) -> None:
    with pytest.raises(SlackApiError) as refusal:
        slack.chat_postMessage(channel="#errors", text="x", blocks=[section("x"), section("x" * 3001)])
    assert refusal.value.response["response_metadata"]["messages"] == [
        "[ERROR] must be less than 3001 characters [json-pointer:/blocks/1/text/text]"
    ]


def test_the_limits_themselves_are_allowed(slack: WebClient) -> None:
    blocks = [section("x" * 3000)] * 4 + [{"type": "divider"}] * 46
    assert slack.chat_postMessage(channel="#limits", text="x" * 40_000, blocks=blocks)["ok"]
    field = section("x" * 1000)["text"]
    fields = {"type": "section", "fields": [field] * 10}
    assert slack.chat_postMessage(channel="#limits", text="x", blocks=[header("é" * 150), fields])["ok"]


def test_blocks_that_are_too_long_together_are_refused(slack: WebClient) -> None:
    with pytest.raises(SlackApiError, match="msg_blocks_too_long"):
        slack.chat_postMessage(channel="#errors", text="x", blocks=[section("x" * 3000)] * 5)


@pytest.mark.parametrize(("token", "error"), [("xoxb-other", "invalid_auth"), ("", "not_authed")])
def test_only_the_known_token_is_accepted(emulators: Connections, token: str, error: str) -> None:
    answer = httpx.post(
        f"{emulators.page_url}/api/auth.test",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        trust_env=False,
    )
    assert (answer.status_code, answer.json()) == (httpx.codes.OK, {"ok": False, "error": error})


def test_a_token_without_the_scope_is_told_which_is_needed(emulators: Connections, page: httpx.Client) -> None:
    client = WebClient("xoxb-offline-only-channels:read,users:read", f"{emulators.page_url}/api/", retry_handlers=[])
    assert client.auth_test().headers["x-oauth-scopes"] == "channels:read,users:read"
    with pytest.raises(SlackApiError) as refusal:
        client.chat_postMessage(channel="#scopes", text="x")
    answer = refusal.value.response
    assert answer["error"] == "missing_scope"
    assert (answer["needed"], answer["provided"]) == ("chat:write:bot", "channels:read,users:read")
    assert answer.headers["x-accepted-oauth-scopes"] == "chat:write"
    assert "#scopes" not in page.get("/slack/messages").text


def test_an_unknown_method_is_refused(slack: WebClient) -> None:
    with pytest.raises(SlackApiError, match="unknown_method"):
        slack.conversations_list()


def test_a_channel_that_is_flooded_is_limited_and_others_are_not(slack: WebClient) -> None:
    def flood() -> None:
        for number in range(100):
            slack.chat_postMessage(channel="#flooded", text=str(number))

    with pytest.raises(SlackApiError) as refusal:
        flood()
    assert refusal.value.response.status_code == httpx.codes.TOO_MANY_REQUESTS
    assert refusal.value.response["error"] == "ratelimited"
    assert int(refusal.value.response.headers["Retry-After"]) >= 1
    assert slack.chat_postMessage(channel="#calm", text="x")["ok"]


def test_faults_limit_fail_refuse_and_drop(slack: WebClient, fault: Callable[..., None]) -> None:
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
def test_any_of_slacks_errors_can_be_asked_for(
    slack: WebClient, fault: Callable[..., None], page: httpx.Client, error: str
) -> None:
    fault(service="slack", kind="error", error=error, match="chat.postMessage")
    assert slack.auth_test()["ok"]
    with pytest.raises(SlackApiError) as refusal:
        slack.chat_postMessage(channel="#refused", text="x")
    assert refusal.value.response.status_code == httpx.codes.OK
    assert refusal.value.response["error"] == error
    assert ("needed" in refusal.value.response.data) == (error == "missing_scope")
    assert "#refused" not in page.get("/slack/messages").text


def test_a_slack_that_hangs_forgets_whoever_gave_up(
    emulators: Connections, fault: Callable[..., None], page: httpx.Client
) -> None:
    impatient = WebClient("xoxb-offline", f"{emulators.page_url}/api/", timeout=1, retry_handlers=[])
    fault(service="slack", kind="hang", seconds=2, times=2)
    with pytest.raises(TimeoutError):
        impatient.chat_postMessage(channel="#gone", text="x")
    patient = WebClient("xoxb-offline", f"{emulators.page_url}/api/", timeout=20, retry_handlers=[])
    assert patient.chat_postMessage(channel="#patient", text="x")["ok"]  # began later, so the other's wait is over
    kept = page.get("/slack/messages").text
    assert "#patient" in kept
    assert "#gone" not in kept


def test_an_answer_that_trickles_outlasts_a_clients_timeout(
    emulators: Connections, fault: Callable[..., None], page: httpx.Client
) -> None:
    """Each byte comes in time, all of them late: what only a limit on the whole call ends."""
    client = WebClient("xoxb-offline", f"{emulators.page_url}/api/", timeout=1, retry_handlers=[])
    fault(service="slack", kind="slow", seconds=3, times=1)
    began = time.monotonic()
    assert client.chat_postMessage(channel="#trickle", text="x")["ok"]
    assert time.monotonic() - began >= 2.9
    assert "#trickle" in page.get("/slack/messages").text


def test_an_answer_can_be_lost_after_the_message_was_kept(
    slack: WebClient, fault: Callable[..., None], page: httpx.Client
) -> None:
    fault(service="slack", kind="lose", times=1)
    with pytest.raises(Exception, match=r"(?i)incomplete|closed|reset"):
        slack.chat_postMessage(channel="#lost", text="x")
    assert "#lost" in page.get("/slack/messages").text

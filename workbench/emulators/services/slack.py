"""Slack's Web API: `chat.postMessage`, `auth.test` and `api.test`, with its errors and its rate limit.

Deviations: see the README of `workbench/emulators`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse
from starlette.routing import Route

from workbench.emulators import slack_blocks
from workbench.emulators.registry import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from workbench.emulators.faults import Fault
    from workbench.emulators.registry import Context
    from workbench.emulators.slack_log import MessageLog

log = logging.getLogger(__name__)

#: `xoxb-offline` may do everything here, `xoxb-offline-only-channels:read,users:read` what its scopes allow.
TOKEN = re.compile(r"xoxb-offline(?:-only-(?P<scopes>[a-z:._,]*))?")
SCOPES = "chat:write,chat:write.public,chat:write.customize"
#: method -> the scope without which Slack answers `missing_scope`, and the older name by which it calls that one.
NEEDED = {"chat.postMessage": ("chat:write", "chat:write:bot")}
MAX_TEXT = 40_000
CHANNEL = re.compile(r"#?[a-z0-9_-]{1,80}|[CGD][A-Z0-9]{8,}")
# One message a second and channel, short bursts allowed: https://docs.slack.dev/apis/web-api/rate-limits
BURST, PER_SECOND = 20, 1.0


class SlackError(Exception):
    """An error response: `ok: false` and the error's code.

    :param messages: one message for each problem with a block.
    :param details: further fields of the response.
    """

    def __init__(self, error: str, messages: list[str] | None = None, **details: str) -> None:
        super().__init__(error)
        self.error = error
        self.messages = messages or []
        self.details = details


class RateLimit:
    """A token bucket for each channel: it holds `BURST` messages and gains `PER_SECOND`."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, channel: str) -> float:
        """Take one message from the channel's bucket; return the seconds to wait where it is empty, otherwise 0."""
        now = time.monotonic()
        with self._lock:
            left, since = self._buckets.get(channel, (float(BURST), now))
            left = min(float(BURST), left + (now - since) * PER_SECOND)
            missing = max(0.0, 1 - left)
            self._buckets[channel] = (left if missing else left - 1, now)
        return missing / PER_SECOND


class Slack:
    """The methods of the API.

    :param messages: the log of the messages received.
    """

    def __init__(self, messages: MessageLog) -> None:
        self._messages = messages
        self._limit = RateLimit()
        self._methods: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "api.test": lambda arguments: {"ok": True, "args": arguments},
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
        }

    def routes(self) -> list[Route]:
        """Return its routes."""
        return [Route("/api/{method:path}", self._endpoint, methods=["GET", "POST"])]

    async def _endpoint(self, request: Request) -> Response:
        headers = {"x-slack-req-id": uuid.uuid4().hex}
        try:
            return await self._answer(request, headers)
        except OSError as failure:
            log.error("a Slack message was lost: %s", failure)  # noqa: TRY400  # the cause says it all
            return JSONResponse({"ok": False, "error": "fatal_error"}, headers=headers)
        except SlackError as error:
            answer: dict[str, Any] = {"ok": False, "error": error.error} | error.details
            if error.messages:
                answer["errors"] = error.messages
                answer["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in error.messages]}
            return JSONResponse(answer, headers=headers)

    async def _answer(self, request: Request, headers: dict[str, str]) -> Response:
        """Call the method, and add to `headers`, which an error response carries too."""
        method = request.path_params["method"]
        if method not in self._methods:
            raise SlackError("unknown_method")
        arguments = await _arguments(request)
        if method != "api.test":
            headers["x-oauth-scopes"] = scopes = _authenticate(request, arguments)
            if method in NEEDED:
                headers["x-accepted-oauth-scopes"], needed = NEEDED[method]
                if NEEDED[method][0] not in scopes.split(","):
                    raise SlackError("missing_scope", needed=needed, provided=scopes)
        if method == "chat.postMessage" and (wait := self._limit.wait(str(arguments.get("channel")))):
            return _rate_limited(wait, headers)
        return JSONResponse(self._methods[method](arguments), headers=headers)

    def _auth_test(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        return {
            "ok": True,
            "url": "https://offline.slack.com/",
            "team": "Offline",
            "user": "workbench",
            "team_id": "T00000000",
            "user_id": "U00000000",
            "bot_id": "B00000000",
            "is_enterprise_install": False,
        }

    def _post_message(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = str(arguments.get("channel") or "")
        if not CHANNEL.fullmatch(channel):
            raise SlackError("channel_not_found")
        for name in ("blocks", "attachments"):
            arguments[name] = _parsed(arguments.get(name), f"invalid_{name}_format")
        text = str(arguments.get("text") or "")
        if not (text or arguments["blocks"] or arguments["attachments"]):
            raise SlackError("no_text")
        if len(text) > MAX_TEXT:
            raise SlackError("msg_too_long")
        if messages := slack_blocks.problems(arguments["blocks"] or []):
            raise SlackError("invalid_blocks", messages)
        if slack_blocks.too_long(arguments["blocks"] or []):
            raise SlackError("msg_blocks_too_long")
        stamp = f"{time.time():.6f}"
        kept = {name: value for name, value in arguments.items() if value and name != "token"}
        self._messages.append({"ts": stamp, "channel": channel} | kept)
        message = {"type": "message", "subtype": "bot_message", "text": text, "ts": stamp, "bot_id": "B00000000"}
        if arguments["blocks"]:
            message["blocks"] = arguments["blocks"]
        return {"ok": True, "channel": channel_id(channel), "ts": stamp, "message": message}


def channel_id(channel: str) -> str:
    """Return the id that Slack would use for a channel."""
    if not channel.startswith("#") and channel[0] in "CGD" and channel.isupper():
        return channel
    return "C" + hashlib.sha256(channel.removeprefix("#").encode()).hexdigest()[:10].upper()


def _rate_limited(seconds: float, headers: dict[str, str]) -> Response:
    retry = {"Retry-After": str(max(1, round(seconds)))}
    return JSONResponse({"ok": False, "error": "ratelimited"}, status_code=429, headers=headers | retry)


async def _arguments(request: Request) -> dict[str, Any]:
    body = await request.body()
    arguments: dict[str, Any] = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            fields = json.loads(body or b"{}")
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(fields, dict):
            raise SlackError("json_not_object")
        return arguments | fields
    return arguments | dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _authenticate(request: Request, arguments: dict[str, Any]) -> str:
    """Return the scopes of the request's token."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ") or arguments.get("token")
    if not token:
        raise SlackError("not_authed")
    known = TOKEN.fullmatch(str(token))
    if not known:
        raise SlackError("invalid_auth")
    return SCOPES if known["scopes"] is None else known["scopes"]


def _parsed(value: Any, error: str) -> list[Any] | None:
    """Read blocks or attachments, which forms carry as JSON in a string."""
    if isinstance(value, str) and value:
        try:
            value = json.loads(value)
        except ValueError:
            raise SlackError(error) from None
    if value and not isinstance(value, list):
        raise SlackError(error)
    return value or None


def _routes(context: Context) -> list[Route]:
    return Slack(context.messages).routes()


def _failure(fault: Fault) -> Response:
    if fault.kind == "limit":
        return _rate_limited(fault.seconds, {})
    if not fault.error:
        return JSONResponse({"ok": False, "error": "internal_error"}, status_code=500)
    details = {"needed": "chat:write:bot", "provided": "channels:read"} if fault.error == "missing_scope" else {}
    return JSONResponse({"ok": False, "error": fault.error} | details)


EMULATOR = Emulator("slack_api_default", "/api/", _routes, _failure)

"""The one HTTP application on the emulators' port: start page, inbox, health, faults, Google and Slack."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from workbench.emulators.http_guard import foreign_page
from workbench.emulators.sheets import SheetsError
from workbench.emulators.slack import failed, limited

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from workbench.emulators.faults import Fault, Faults
    from workbench.emulators.google import TokenEndpoint
    from workbench.emulators.http_guard import KnownHosts
    from workbench.emulators.inbox import Inbox
    from workbench.emulators.page import Page
    from workbench.emulators.sheets import Sheets
    from workbench.emulators.slack import Slack

QUOTA = (
    "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user' of service "
    "'sheets.googleapis.com' for consumer 'project_number:100000000000'."
)


def create_app(
    *,
    token: TokenEndpoint,
    sheets: Sheets,
    slack: Slack,
    page: Page,
    inbox: Inbox,
    faults: Faults,
    health: Callable[[], dict[str, Any]],
) -> Starlette:
    """Put the services of one port together.

    :param health: gives the body of `/healthz`; `ok` in it decides the status.
    """

    async def healthz(_request: Request) -> Response:
        state = health()
        return JSONResponse(state, status_code=200 if state["ok"] else 503)

    async def control(request: Request) -> Response:
        if request.method == "DELETE":
            faults.clear()
        elif request.method == "POST":
            # A web page may send a form anywhere, JSON only after asking: which nobody here grants.
            if request.headers.get("content-type") != "application/json":
                return PlainTextResponse("content-type must be application/json\n", status_code=415)
            try:
                faults.add(**json.loads(await request.body()))
            except (ValueError, TypeError) as error:
                return PlainTextResponse(f"{error}\n", status_code=400)
        return JSONResponse(faults.listed())

    async def unsupported(request: Request) -> Response:
        what = f"The emulator does not support {request.method} {request.url.path}"
        return SheetsError(501, "UNIMPLEMENTED", what).response("Unknown")

    return Starlette(
        routes=[
            *page.routes(),
            *inbox.routes(),
            Route("/healthz", healthz),
            Route("/control/faults", control, methods=["GET", "POST", "DELETE"]),
            Route("/token", token.exchange, methods=["POST"]),
            *sheets.routes(),
            Route("/v4/{rest:path}", unsupported, methods=["GET", "POST", "PUT", "DELETE"]),
            *slack.routes(),
        ]
    )


class Guard:
    """What stands before every ASGI application: no foreign web page, and the faults that were asked for.

    :param app: the application.
    :param service_of: names the service that a path belongs to, None where faults do not apply.
    """

    def __init__(
        self, app: ASGIApp, hosts: KnownHosts, faults: Faults, service_of: Callable[[str], str | None]
    ) -> None:
        self.app, self.hosts, self.faults, self.service_of = app, hosts, faults, service_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            service = self.service_of(scope["path"])
            if refusal := self._refusal(scope, links=service is None):
                await refusal(scope, receive, send)
                return
            if fault := self.faults.take(service, scope["path"]) if service else None:
                await self._befall(fault, scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, scope: Scope, *, links: bool) -> Response | None:
        """Return the answer to a request that a foreign web page sent, None to any other."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not self.hosts.allow(host):
            why = f"{host!r} is not a name of the emulators; --allow-host adds one\n"
            return PlainTextResponse(why, status_code=421)
        if page := foreign_page(scope["method"], lambda name: headers.get(name, ""), links=links):
            why = f"The emulators do not answer other web pages, and this request comes from one: {page}\n"
            return PlainTextResponse(why, status_code=403)
        return None

    async def _befall(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as the fault wants it."""
        if fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
            # Where the client gave up meanwhile, reading its request fails, so that nothing is done that it never sees.
            with contextlib.suppress(ClientDisconnect):
                await self.app(scope, receive, send)
        elif fault.kind == "slow":
            await self.app(scope, receive, _trickle(send, fault.seconds))
        elif fault.kind in {"drop", "lose"}:
            if fault.kind == "lose":
                await self.app(scope, receive, _unheard)
            # A body that was announced and never comes: the server closes the connection.
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        else:
            await _as_response(fault)(scope, receive, send)


async def _unheard(_message: Message) -> None:
    """Send nothing."""


def _trickle(send: Send, seconds: float) -> Send:
    """Send a body byte by byte: each arrives before a client's patience for the next one ends."""

    async def slowly(message: Message) -> None:
        body = message.get("body", b"")
        for number in range(len(body)):
            await asyncio.sleep(seconds / len(body))
            await send({"type": "http.response.body", "body": body[number : number + 1], "more_body": True})
        await send(message | {"body": b""} if body else message)

    return slowly


def service_of_page(path: str) -> str | None:
    """Name the service behind a path on the emulators' port."""
    for prefix, service in (("/token", "google"), ("/v4/", "sheets"), ("/api/", "slack")):
        if path.startswith(prefix):
            return service
    return None


def _as_response(fault: Fault) -> Response:
    """Return a fault in the words of its service."""
    retry = {"Retry-After": str(max(1, round(fault.seconds)))}
    if fault.service == "slack":
        if fault.kind == "limit":
            return limited(fault.seconds)
        return failed(fault.error)
    if fault.service == "sheets":
        if fault.kind == "limit":
            return SheetsError(429, "RESOURCE_EXHAUSTED", QUOTA, "RATE_LIMIT_EXCEEDED").response("GetValues")
        return SheetsError(500, "INTERNAL", "Internal error encountered.").response("GetValues")
    if fault.service == "google":
        status, error = (429, "rate_limit_exceeded") if fault.kind == "limit" else (500, "internal_failure")
        return JSONResponse({"error": fault.error or error}, status_code=400 if fault.error else status, headers=retry)
    return PlainTextResponse("Fault asked for.\n", status_code=429 if fault.kind == "limit" else 500, headers=retry)

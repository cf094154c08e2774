"""The HTTP applications: the one on the first port, and the guard in front of every one."""

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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from workbench.emulators.faults import Fault, Faults
    from workbench.emulators.http_guard import KnownHosts
    from workbench.emulators.registry import Context, Emulator


def create_app(
    pages: Iterable[Route],
    emulators: Mapping[str, Emulator],
    context: Context,
    faults: Faults,
    health: Callable[[], dict[str, Any]],
) -> Starlette:
    """Return the application of the first port: pages, health, faults, and the registered emulators.

    :param health: returns the body of `/healthz`; its `ok` decides the status.
    """

    async def healthz(_request: Request) -> Response:
        state = health()
        return JSONResponse(state, status_code=200 if state["ok"] else 503)

    return Starlette(
        routes=[
            *pages,
            Route("/healthz", healthz),
            Route("/control/faults", _control(faults), methods=["GET", "POST", "DELETE"]),
            *(route for emulator in emulators.values() for route in emulator.routes(context)),
        ]
    )


def _control(faults: Faults) -> Callable[[Request], Any]:
    async def control(request: Request) -> Response:
        if request.method == "DELETE":
            faults.clear()
        elif request.method == "POST":
            # A web page may send a form to any site, but JSON only where the site allows it, and this one does not.
            if request.headers.get("content-type") != "application/json":
                return PlainTextResponse("content-type must be application/json\n", status_code=415)
            try:
                faults.add(**json.loads(await request.body()))
            except (ValueError, TypeError) as error:
                return PlainTextResponse(f"{error}\n", status_code=400)
        return JSONResponse(faults.active())

    return control


class Guard:
    """Middleware of an application: it refuses foreign web pages and applies faults.

    :param app: the application.
    :param services: prefix of paths -> emulator. Faults do not apply to other paths, and links may open those.
    :param failure: makes the service's own response to a fault of kind `limit` or `error`.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: KnownHosts,
        faults: Faults,
        services: Mapping[str, str],
        failure: Callable[[Fault], Response],
    ) -> None:
        self._app, self._hosts, self._faults = app, hosts, faults
        self._services, self._failure = services, failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            service = next((name for prefix, name in self._services.items() if scope["path"].startswith(prefix)), None)
            if refusal := self._refusal(scope, links=service is None):
                await refusal(scope, receive, send)
                return
            if fault := self._faults.take(service, scope["path"]) if service else None:
                await self._apply(fault, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, *, links: bool) -> Response | None:
        """Return the response to a request that a foreign web page sent; None to any other."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not self._hosts.allow(host):
            why = f"the emulators do not accept the host name {host!r}; add it with --allow-host\n"
            return PlainTextResponse(why, status_code=421)
        if page := foreign_page(scope["method"], lambda name: headers.get(name, ""), links=links):
            why = f"The emulators refuse requests from other web pages, and this one comes from {page}\n"
            return PlainTextResponse(why, status_code=403)
        return None

    async def _apply(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with a fault."""
        if fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
            # Where the client gave up meanwhile, reading its request fails: nothing is done that it would not see.
            with contextlib.suppress(ClientDisconnect):
                await self._app(scope, receive, send)
        elif fault.kind == "slow":
            await self._app(scope, receive, _byte_by_byte(send, fault.seconds))
        elif fault.kind in {"drop", "lose"}:
            if fault.kind == "lose":
                await self._app(scope, receive, _discard)
            # A body that is announced and never sent: the server closes the connection.
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        else:
            await self._failure(fault)(scope, receive, send)


async def _discard(_message: Message) -> None:
    """Send nothing."""


def _byte_by_byte(send: Send, seconds: float) -> Send:
    """Return a `send` that takes `seconds` for a body: each byte arrives before a client's read timeout ends."""

    async def slowly(message: Message) -> None:
        body = message.get("body", b"")
        for number in range(len(body)):
            await asyncio.sleep(seconds / len(body))
            await send({"type": "http.response.body", "body": body[number : number + 1], "more_body": True})
        await send(message | {"body": b""} if body else message)

    return slowly

"""Snowflake's HTTP protocol, as far as its Python connector uses it.

The connector waits 60 seconds for a response and then sends the same request again, with the same id. So a statement
runs in a task of its own: a repeated request joins it, and after a while the response is "still running" with a URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import logging
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fakesnow.transforms import SERVER_VERSION
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from workbench.emulators.snowflake import commands, errors, statements
from workbench.emulators.snowflake.errors import SnowflakeError
from workbench.emulators.snowflake.sessions import Session, Sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from workbench.emulators.snowflake.account import Account
    from workbench.emulators.snowflake.results import Result

RESPONSE_SECONDS = 25.0
"""Seconds after which the response to an unfinished statement is a URL to ask; the client's limit is 60."""

IN_PROGRESS = "333333"
EXPIRE_SECONDS = 60.0
"""Seconds between two searches for idle sessions."""

KEPT = 200
"""The number of statements whose result can still be fetched."""

KEPT_BYTES = 32 * 2**20
"""The total size of their results; the newest is kept whatever its size."""

log = logging.getLogger(__name__)


@dataclass
class Statement:
    """A statement that is running or done."""

    session: Session
    query_id: str
    task: asyncio.Task[dict[str, Any]] | None = None
    cancelled: bool = False
    children: list[str] = field(default_factory=list)


class Server:
    """The protocol's endpoints over one account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.sessions = Sessions(account)
        self.threads = ThreadPoolExecutor(256, "snowflake")
        self._by_request: OrderedDict[str, Statement] = OrderedDict()
        self._by_query: OrderedDict[str, Statement] = OrderedDict()
        self._answers: OrderedDict[str, dict[str, Any]] = OrderedDict()

    async def login(self, request: Request) -> dict[str, Any]:
        """POST /session/v1/login-request."""
        asked = (await _body(request)).get("data", {})
        query = request.query_params
        session = await self._in_thread(
            self.sessions.log_in,
            str(asked.get("LOGIN_NAME", "")),
            str(asked.get("PASSWORD", "")),
            query.get("databaseName"),
            query.get("schemaName"),
        )
        session.role = (query.get("roleName") or session.role).upper()
        session.warehouse = (query.get("warehouse") or session.warehouse).upper()
        for name, value in (asked.get("SESSION_PARAMETERS") or {}).items():
            with contextlib.suppress(SnowflakeError):  # an unsupported parameter is no reason to refuse the login
                commands.set_parameter(session, name, value)
        return _success(
            {
                "token": session.token, "masterToken": session.master_token, "sessionId": session.number,
                "validityInSeconds": 3600, "masterValidityInSeconds": 14400, "displayUserName": "WORKBENCH",
                "serverVersion": SERVER_VERSION, "firstLogin": False, "healthCheckInterval": 45,
                "parameters": _parameters(session),
                "sessionInfo": {
                    "databaseName": session.database, "schemaName": session.schema,
                    "warehouseName": session.warehouse, "roleName": session.role,
                },
            }
        )  # fmt: skip

    async def query(self, request: Request) -> dict[str, Any]:
        """POST /queries/v1/query-request."""
        session = self.sessions.of(_token(request))
        asked = await _body(request)
        request_id = request.query_params.get("requestId") or str(uuid4())
        statement = self._by_request.get(request_id)
        if statement is None:
            statement = Statement(session, str(uuid4()))
            statement.task = asyncio.create_task(self._run(statement, asked))
            _keep(self._by_request, request_id, statement)
            _keep(self._by_query, statement.query_id, statement)
        return await self._wait(statement)

    async def result(self, request: Request) -> dict[str, Any]:
        """GET /queries/{id}/result."""
        self.sessions.of(_token(request))
        query_id = request.path_params["query_id"]
        if query_id in self._answers:
            return self._answers[query_id]
        statement = self._by_query.get(query_id)
        if statement is None:
            raise SnowflakeError(f"Statement {query_id} not found", 709, "02000")
        return await self._wait(statement)

    async def abort(self, request: Request) -> dict[str, Any]:
        """POST /queries/v1/abort-request."""
        self.sessions.of(_token(request))
        asked = await _body(request)
        statement = self._by_request.get(str(asked.get("requestId")))
        if statement and statement.task and not statement.task.done():
            statement.cancelled = True
            statement.session.cancel()
        return _success(None)

    async def session(self, request: Request) -> dict[str, Any]:
        """POST /session?delete=true."""
        session = self.sessions.of(_token(request))
        if request.query_params.get("delete"):
            await self._in_thread(self.sessions.end, session)
        return _success(None)

    async def renew(self, request: Request) -> dict[str, Any]:
        """POST /session/token-request."""
        session = self.sessions.renew(_token(request))
        return _success(
            {"sessionToken": session.token, "masterToken": session.master_token, "sessionId": session.number,
             "validityInSecondsST": 3600, "validityInSecondsMT": 14400, "masterValidityInSeconds": 14400}
        )  # fmt: skip

    async def monitoring(self, request: Request) -> dict[str, Any]:
        """GET /monitoring/queries/{id}: for clients that poll whether a statement is done."""
        self.sessions.of(_token(request))
        query_id = request.path_params["query_id"]
        statement = self._by_query.get(query_id)
        if statement is None or statement.task is None:
            return _success({"queries": []})
        state = "RUNNING"
        about: dict[str, Any] = {}
        if statement.task.done():
            answer = statement.task.result()
            state = "SUCCESS" if answer["success"] else "FAILED_WITH_ERROR"
            about = {} if answer["success"] else {"errorCode": answer["code"], "errorMessage": answer["message"]}
        return _success({"queries": [{"id": query_id, "status": state, **about}]})

    async def telemetry(self, request: Request) -> dict[str, Any]:  # noqa: ARG002 -- an endpoint's signature
        """Accept telemetry and discard it."""
        return _success(None)

    async def expire_sessions(self) -> None:
        """End idle sessions, until cancelled."""
        while True:
            await asyncio.sleep(EXPIRE_SECONDS)
            await self._in_thread(self.sessions.expire)

    def close(self) -> None:
        """Stop the statements, roll back, write everything."""
        for statement in self._by_query.values():
            if statement.task and not statement.task.done():
                statement.session.cancel()
        self.sessions.close()
        self.threads.shutdown(wait=True, cancel_futures=True)
        self.account.close()

    async def _wait(self, statement: Statement) -> dict[str, Any]:
        if statement.task is None:
            raise SnowflakeError(f"Statement {statement.query_id} not found", 709, "02000")
        done, _ = await asyncio.wait({statement.task}, timeout=RESPONSE_SECONDS)
        if done:
            return statement.task.result()
        return {
            "data": {"queryId": statement.query_id, "getResultUrl": f"/queries/{statement.query_id}/result"},
            "code": IN_PROGRESS, "message": "Query execution in progress.", "success": True,
        }  # fmt: skip

    async def _run(self, statement: Statement, asked: dict[str, Any]) -> dict[str, Any]:
        session = statement.session
        limit = int(session.parameters.get("STATEMENT_TIMEOUT_IN_SECONDS", 0))
        work = asyncio.ensure_future(self._in_thread(self._execute, statement, asked))
        done, _ = await asyncio.wait({work}, timeout=limit or None)
        if not done:
            session.cancel()
            with contextlib.suppress(SnowflakeError):
                await work
            late = f"Statement reached its statement or warehouse timeout of {limit} second(s) and was canceled."
            return _failure(SnowflakeError(late, 630, "57014"), statement.query_id)
        try:
            answer: dict[str, Any] = work.result()
        except SnowflakeError as error:
            return _failure(error, statement.query_id)
        return answer

    def _execute(self, statement: Statement, asked: dict[str, Any]) -> dict[str, Any]:
        session, text = statement.session, str(asked.get("sqlText", ""))
        with session.busy:
            session.cancelled.clear()
            try:
                if statement.cancelled:
                    session.cancelled.set()
                session.raise_if_cancelled()
                wanted = (asked.get("parameters") or {}).get("MULTI_STATEMENT_COUNT")
                if wanted is not None and int(wanted) != 1:
                    return self._execute_several(statement, text, int(wanted))
                result = _one(session, text, asked)
            except Exception as error:
                known = errors.of(error)
                if known.errno == errors.INTERNAL:
                    log.exception("%s", text)
                raise known from error
            finally:
                session.last_seen = time.monotonic()
            result.query_id = statement.query_id
            session.remember(result)
            return _success(result.payload() | _after(session))

    def _execute_several(self, statement: Statement, text: str, wanted: int) -> dict[str, Any]:
        session = statement.session
        pieces = [piece for piece, _ in statements.parse(text)]
        if wanted not in {0, len(pieces)}:
            raise SnowflakeError(
                f"Actual statement count {len(pieces)} did not match the desired statement count {wanted}.", 8, "0A000"
            )
        kinds = []
        for piece in pieces:
            result = statements.run(session, piece)
            session.remember(result)
            kinds.append(str(result.kind))
            statement.children.append(result.query_id)
            _keep(self._answers, result.query_id, _success(result.payload() | _after(session)))
        about = {
            "queryId": statement.query_id,
            "resultIds": ",".join(statement.children),
            "resultTypes": ",".join(kinds),
        }
        empty = {
            "rowtype": [],
            "rowset": [],
            "total": 0,
            "returned": 0,
            "queryResultFormat": "json",
            "statementTypeId": 0xA000,
        }
        return _success(about | empty | _after(session))

    async def _in_thread(self, work: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work, *given)


def _one(session: Session, text: str, asked: dict[str, Any]) -> Result:
    bindings = asked.get("bindings") or None
    if asked.get("describeOnly"):
        return statements.describe(session, text)
    values = [each.get("value") for each in (bindings or {}).values()]
    lists = [len(value) for value in values if isinstance(value, list)]
    return statements.run(session, text, bindings, rows=max(lists) if lists else None)


def _after(session: Session) -> dict[str, Any]:
    return {
        "parameters": _parameters(session), "finalDatabaseName": session.database, "finalSchemaName": session.schema,
        "finalWarehouseName": session.warehouse, "finalRoleName": session.role,
    }  # fmt: skip


def _parameters(session: Session) -> list[dict[str, Any]]:
    return [
        {"name": "AUTOCOMMIT", "value": session.parameters["AUTOCOMMIT"]},
        {"name": "TIMEZONE", "value": "Etc/UTC"},
        {"name": "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", "value": 3600},
        {"name": "CLIENT_TELEMETRY_ENABLED", "value": False},
        {"name": "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", "value": 0},  # arrays come inline, not as a staged file
        {"name": "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT", "value": "arrow"},
    ]


def _keep(kept: OrderedDict[str, Any], key: str, value: Any) -> None:
    kept[key] = value
    total = sum(_size(each) for each in kept.values())
    while len(kept) > 1 and (len(kept) > KEPT or total > KEPT_BYTES):
        _, oldest = kept.popitem(last=False)
        total -= _size(oldest)


def _size(kept: Statement | dict[str, Any]) -> int:
    """Return roughly the memory of a result; a running statement has none yet."""
    if isinstance(kept, Statement):
        if kept.task is None or not kept.task.done() or kept.task.cancelled():
            return 0
        kept = kept.task.result()
    return len((kept["data"] or {}).get("rowsetBase64") or "")


def _success(data: dict[str, Any] | None) -> dict[str, Any]:
    return {"data": data, "code": None, "message": None, "success": True}


def _failure(error: SnowflakeError, query_id: str | None = None) -> dict[str, Any]:
    data = {"errorCode": error.code, "sqlState": error.sqlstate, "queryId": query_id, "internalError": False}
    return {"data": data, "code": error.code, "message": error.message, "success": False}


def _token(request: Request) -> str | None:
    given = request.headers.get("Authorization", "")
    return given.removeprefix('Snowflake Token="').removesuffix('"') if given.startswith("Snowflake Token=") else None


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        raw = gzip.decompress(raw)
    parsed = json.loads(raw or b"{}")
    return parsed if isinstance(parsed, dict) else {}


def _endpoint(answer: Callable[[Request], Awaitable[dict[str, Any]]]) -> Callable[[Request], Awaitable[JSONResponse]]:
    """Answer each failure with an error of the protocol and HTTP 200: the client retries a 500 for 25 minutes."""

    async def respond(request: Request) -> JSONResponse:
        try:
            return JSONResponse(await answer(request))
        except Exception as error:
            known = errors.of(error)
            if not isinstance(error, SnowflakeError):
                log.exception("%s", request.url.path)
            return JSONResponse(_failure(known))

    return respond


def create(account: Account) -> Starlette:
    """Return the ASGI application for an account; it closes the account when the server stops."""
    server = Server(account)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        expiring = asyncio.create_task(server.expire_sessions())
        yield
        expiring.cancel()
        await asyncio.to_thread(server.close)

    async def unknown(request: Request) -> JSONResponse:
        return JSONResponse(_failure(errors.unsupported(f"the endpoint {request.url.path}")))

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/session/v1/login-request", _endpoint(server.login), methods=["POST"]),
            Route("/session/token-request", _endpoint(server.renew), methods=["POST"]),
            Route("/session/heartbeat", _endpoint(server.session), methods=["POST"]),
            Route("/session", _endpoint(server.session), methods=["POST"]),
            Route("/queries/v1/query-request", _endpoint(server.query), methods=["POST"]),
            Route("/queries/v1/abort-request", _endpoint(server.abort), methods=["POST"]),
            Route("/queries/{query_id}/result", _endpoint(server.result), methods=["GET"]),
            Route("/monitoring/queries/{query_id}", _endpoint(server.monitoring), methods=["GET"]),
            Route("/telemetry/send", _endpoint(server.telemetry), methods=["POST"]),
            Route("/{path:path}", unknown, methods=["GET", "POST", "PUT", "DELETE"]),
        ],
    )

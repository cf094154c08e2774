"""The tasks' API, as a task's supervisor uses it: tasks outlive an api-server that is away for two minutes.

Replaces, in Airflow 3.0.6 (Task SDK 1.0.6); with another version it does what stock does:

* `airflow.sdk.execution_time.supervisor.ActivitySubprocess._handle_heartbeat_failures`. Stock's ends the supervisor
  with a TypeError at the first heartbeat that fails, because structlog takes the exception that it logs for text:
  https://github.com/apache/airflow/issues/57167.
* `airflow.sdk.api.client.Client`, for the workers of this project's executor. Stock's tries nothing again where the
  server closed the connection without an answer, as one does that ends or that has closed an idle connection just now.

How often and how long is tried is set in `compose/airflow.env`.
"""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import Any

import httpx
from airflow.configuration import conf
from airflow.sdk.api.client import Client, ServerResponseError

from workbench.airflow import compat

#: An answer may be lost after the server did what it was asked for.
LOST = (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError)


class TaskApi(Client):  # type: ignore[misc] # Airflow is not typed for others
    """A client that tries again whatever a server that restarts can cause."""

    _lost: tuple[str, httpx.URL, bytes] | None = None

    def request(self, method: str, url: Any, **kwargs: Any) -> httpx.Response:
        """Send a request, again and again while the server is away; a heartbeat once, for the next one follows soon.

        So a supervisor goes on reading its task's log and notices its end, and counts the heartbeats that failed.
        """
        if compat.supported("task_api") and str(url).endswith("/heartbeat"):
            response: httpx.Response = httpx.Client.request(self, method, url, **kwargs)
        else:
            response = super().request(method, url, **kwargs)
        return response

    def send(self, request: httpx.Request, **kwargs: Any) -> httpx.Response:
        """Send a request once.

        :raises httpx.ReadError: also where the server closed the connection: stock tries this one again.
        """
        this = request.method, request.url, request.read()
        try:
            response: httpx.Response = super().send(request, **kwargs)
        except LOST as error:
            self._lost = this
            if compat.supported("task_api") and isinstance(error, httpx.RemoteProtocolError):
                raise httpx.ReadError(str(error), request=request) from error
            raise
        except ServerResponseError as error:
            # The state is another one already, and has been since a try whose answer was lost: all is done.
            done = error.response.status_code in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}
            if compat.supported("task_api") and done and self._lost == this and request.url.path.endswith("/state"):
                response = error.response
            else:
                raise
        return response


@functools.lru_cache(maxsize=1)
def client() -> TaskApi:
    """Return the client that workers inherit, never used by the scheduler itself.

    Its certificates cost 30 ms and 4 MiB, which stock pays for each task.
    """
    base_url = conf.get("api", "base_url", fallback="/")
    if base_url.startswith("/"):
        base_url = f"http://localhost:8080{base_url}"
    server = conf.get("core", "execution_api_server_url", fallback=f"{base_url.rstrip('/')}/execution/")
    return TaskApi(base_url=server, limits=httpx.Limits(max_keepalive_connections=1, max_connections=10), token="")


def install() -> None:
    """Let a supervisor survive heartbeats that fail, up to `[workers] max_failed_heartbeats` of them."""
    from airflow.sdk.execution_time.supervisor import ActivitySubprocess

    if not compat.supported("task_api"):
        return
    stock = ActivitySubprocess._handle_heartbeat_failures  # noqa: SLF001 it is what is to be replaced

    def _handle_heartbeat_failures(self: Any, exc: Exception | None) -> None:
        stock(self, f"{type(exc).__name__}: {exc}")

    ActivitySubprocess._handle_heartbeat_failures = _handle_heartbeat_failures  # noqa: SLF001 as above

"""Talk to the running Airflow through its public REST API."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from workbench.errors import UserError

#: For one answer, and for an api-server between a crash and its restart.
TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.5


@dataclass
class AirflowApi:
    """A client of `/api/v2`, logged in with its first call.

    :param url: the UI's address, without a trailing slash.
    :param user: the login.
    :param password: its password.
    """

    url: str
    user: str
    password: str = field(repr=False)
    _http: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the connection pool; nothing is sent before the first call."""
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS, trust_env=False)

    def get(self, path: str, **params: Any) -> Any:
        """Return `GET /api/v2{path}` as JSON; the query is in the path or in `params`."""
        return self._call("GET", path, params=params or None).json()

    def pages(self, path: str, key: str, **params: Any) -> list[dict[str, Any]]:
        """Return every item under `key` of a paged listing."""
        items: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=100, offset=len(items), **params)
            items += page[key]
            if not page[key] or len(items) >= page["total_entries"]:
                return items

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return what `POST /api/v2{path}` answers."""
        return self._call("POST", path, json=body).json()

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Return what `PATCH /api/v2{path}` answers."""
        return self._call("PATCH", path, json=body).json()

    def _call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                if "Authorization" not in self._http.headers:
                    self._log_in()
                response = self._http.request(method, f"/api/v2{path}", **kwargs)
            except httpx.TransportError as error:
                # The api-server may be between a crash and its restart.
                if time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
                    continue
                why = str(error) or type(error).__name__
                what = f"Airflow's API at {self.url} does not answer"
                raise UserError(what, why, "./dev status", "api-down") from None
            if response.status_code == httpx.codes.UNAUTHORIZED and time.monotonic() < deadline:
                del self._http.headers["Authorization"]  # the token outlived the key or its day
                continue
            response.raise_for_status()
            return response

    def _log_in(self) -> None:
        response = self._http.post("/auth/token", json={"username": self.user, "password": self.password})
        if response.status_code != httpx.codes.CREATED:
            raise UserError(
                f"Airflow refused the login of {self.user}",
                f"HTTP {response.status_code}",
                "./dev down && ./dev up, which reads the password file again",
                "login-refused",
            )
        self._http.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

"""One instance of the emulators for the session, and the vendors' clients connected to it."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.service_account import Credentials
from slack_sdk import WebClient

from workbench.emulators import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workbench.emulators import Connections

ROOT = Path(__file__).resolve().parents[3]
SCOPE = "https://www.googleapis.com/auth/spreadsheets.readonly"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start the emulators."""
    for item in items:
        if Path(__file__).parent in item.path.parents and {"emulators", "run_emulators"} & set(
            getattr(item, "fixturenames", ())
        ):
            item.add_marker(pytest.mark.emulators)


@pytest.fixture(scope="session")
def emulators() -> Iterator[Connections]:
    """Emulators with the sample data. Tests share them, so each uses names of its own.

    While they start, the environment has a proxy, an AWS profile and an endpoint that do not work.
    """
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")
            environment.setenv("AWS_PROFILE", "missing")
            environment.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
            connections = stack.enter_context(serve(sample=True))
        yield connections


@pytest.fixture(scope="session")
def page(emulators: Connections) -> Iterator[httpx.Client]:
    """A client of the first port."""
    with httpx.Client(base_url=emulators.page_url, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def connect_s3() -> Iterator[Callable[[Connections], Any]]:
    """Return a function that connects boto3; the clients are closed at the end."""
    clients: list[Any] = []

    def connect(connections: Connections) -> Any:
        clients.append(
            boto3.client(
                "s3",
                endpoint_url=connections.s3_url,
                region_name="us-east-1",
                aws_access_key_id="offline",
                aws_secret_access_key="offline",
                config=boto3.session.Config(retries={"max_attempts": 0}),
            )
        )
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def s3(emulators: Connections, connect_s3: Callable[[Connections], Any]) -> Any:
    """boto3, connected, without retries."""
    return connect_s3(emulators)


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    """A bucket of this test's own."""
    name = f"test-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def connect_sheets() -> Iterator[Callable[..., AuthorizedSession]]:
    """Return a function that makes google-auth sessions with the throwaway key; they are closed at the end."""
    sessions: list[AuthorizedSession] = []

    def connect(connections: Connections, scope: str = SCOPE) -> AuthorizedSession:
        key = connections.keys / "google_service_account.json"
        sessions.append(AuthorizedSession(Credentials.from_service_account_file(key, scopes=[scope])))
        return sessions[-1]

    yield connect
    for session in sessions:
        session.close()
        session._auth_request.session.close()


@pytest.fixture
def google(emulators: Connections, connect_sheets: Callable[..., AuthorizedSession]) -> AuthorizedSession:
    """google-auth, connected."""
    return connect_sheets(emulators)


@pytest.fixture
def slack(emulators: Connections) -> WebClient:
    """slack_sdk, connected, without retries."""
    return WebClient(token="xoxb-offline", base_url=f"{emulators.page_url}/api/", retry_handlers=[])


@pytest.fixture
def fault(page: httpx.Client) -> Iterator[Callable[..., None]]:
    """Return a function that adds a fault; all are removed after the test."""

    def add(**fields: Any) -> None:
        assert page.post("/control/faults", json=fields).status_code == httpx.codes.OK

    yield add
    page.delete("/control/faults")


@pytest.fixture(scope="session")
def run_emulators() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs `python -m workbench.emulators` in its own environment."""

    def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / ".venv-emulators/bin/python"), "-m", "workbench.emulators", *map(str, words)]
        return subprocess.run(
            command, cwd=ROOT, env=environment or None, capture_output=True, text=True, check=False, timeout=60
        )

    return run

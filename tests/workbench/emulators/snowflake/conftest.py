"""One running emulator for all tests of Snowflake, its bucket, and Snowflake's own client."""

from __future__ import annotations

import datetime as dt
import io
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import snowflake.connector

from workbench.emulators import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snowflake.connector import SnowflakeConnection

    from workbench.emulators import Connections

HERE = Path(__file__).parent
BUCKET = "telecoms-lake"
PEOPLE = pa.table(
    {
        "id": ["1", "2", "3"],
        "Name": ["Ann", "Bob, jr", "Cy"],
        "born": [dt.date(1990, 1, 2), dt.date(1991, 12, 31), None],
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests, and ignore the connector's warning about pyOpenSSL."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.emulators)
            item.add_marker(pytest.mark.filterwarnings("ignore:Attempting to mutate a Context:DeprecationWarning"))


class Lake:
    """The bucket that stages point at."""

    def __init__(self, url: str) -> None:
        self.client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )

    def put(self, key: str, body: bytes | str | pa.Table) -> None:
        """Upload an object; a table becomes Parquet."""
        if isinstance(body, pa.Table):
            sink = io.BytesIO()
            pq.write_table(body, sink)
            body = sink.getvalue()
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)


@pytest.fixture(scope="session")
def running() -> Iterator[Connections]:
    """Emulators on free ports, for the whole run."""
    with serve() as connections:
        yield connections


@pytest.fixture(scope="session")
def lake(running: Connections) -> Lake:
    """The bucket, with the files that `statements.py` uses."""
    lake = Lake(running.s3_url)
    csv = 'id,name,born\n1,Ann,1990-01-02\n2,"Bob, jr",1991-12-31\n3,Cy,\n'
    lake.put("statements/people.csv", csv)
    lake.put("statements/people.parquet", PEOPLE)
    lake.put("statements/wide.parquet", pa.table({"id": ["1", "2"], "extra": ["a", "b"]}))
    lake.put("statements/broken.parquet", "this is not Parquet")
    lake.put("statements/bad_date.csv", "id,name,born\n1,Ann,1990-01-02\n2,Bob,31/31/2020\n")
    lake.put("statements/many.csv", "id,name,born\n1,Ann,1990-01-02\n2,Bob,1990-01-02,more\n")
    lake.put("statements/events.json", '{"kind": "call", "n": 1}\n{"kind": "chat", "n": 2}\n')
    return lake


@pytest.fixture(scope="session")
def people() -> pa.Table:
    """Three people, one without a birthday."""
    return PEOPLE


@contextmanager
def connected(to: Connections, **options: Any) -> Iterator[SnowflakeConnection]:
    """Yield a session of Snowflake's connector, as the provider opens it."""
    settings: dict[str, Any] = {
        "user": "workbench", "password": "offline", "account": "offline", "host": to.snowflake_host,
        "port": to.snowflake_port, "database": "TELECOMS", "warehouse": "WH", "role": "DEV",
        "disable_ocsp_checks": True,
        "session_parameters": {"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False},
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(to.ca_bundle))
        connection = snowflake.connector.connect(**settings | options)
        try:
            yield connection
        finally:
            connection.close()


@pytest.fixture(scope="session")
def connecting() -> Callable[..., Any]:
    """A function that opens a session, for fixtures that outlive a test."""
    return connected


@pytest.fixture
def connect(running: Connections) -> Iterator[Callable[..., SnowflakeConnection]]:
    """Sessions that end with the test."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(connected(running, **options))


@pytest.fixture(scope="session")
def administrator(running: Connections) -> Iterator[SnowflakeConnection]:
    """A session that creates and drops the tests' schemas."""
    with connected(running) as connection:
        yield connection


@pytest.fixture
def schema(administrator: SnowflakeConnection) -> Iterator[str]:
    """A schema of the test's own, dropped afterwards."""
    name = f"T_{uuid4().hex[:12]}".upper()
    administrator.cursor().execute(f"CREATE SCHEMA {name}")
    yield name
    administrator.cursor().execute(f"DROP SCHEMA IF EXISTS {name}")

"""What the tests of the pipeline share: a home for Airflow, and emulators with a lake and a warehouse for each test."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent

pytest_plugins = ["tests.parallel", "tests.report"]

# Failures of the bodies that several places share say what was found, too.
pytest.register_assert_rewrite("tests.cases")

# No test times a machine: an example that took long on a busy one is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# A terminal in the dev container, or of `./dev shell`, has a running Airflow's settings: its database, for one.
_SETTINGS = re.compile(r"(AIRFLOW|AWS|EMULATORS|TELECOMS)_|WORKBENCH_(IMAGE|MODE|SHELL|STOCK)$")
for _name in filter(_SETTINGS.match, tuple(os.environ)):
    del os.environ[_name]

# Airflow reads its home when it is first imported, which is while tests are collected.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ["AIRFLOW_HOME"] = _HOME.name
Path(_HOME.name, "airflow.cfg").write_text(
    f"""\
[core]
dags_folder = {ROOT / "dags"}
load_examples = False
[logging]
logging_level = WARNING
"""
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever starts these emulators, and as `unit` whatever starts nothing."""
    for item in items:
        if "pipeline_emulators" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.emulators)
        if not any(item.get_closest_marker(layer) for layer in ("emulators", "native", "containers")):
            item.add_marker(pytest.mark.unit)


@dataclass(frozen=True)
class Place:
    """A lake, a warehouse and sources of one test's own, behind the connections in the environment."""

    env: dict[str, str]
    s3: Any
    lake: str
    source: str
    page_url: str
    sheets: Path

    def put_source(self, key: str, content: bytes | str) -> None:
        """Keep an object in the source bucket."""
        self.s3.put_object(Bucket=self.source, Key=key, Body=content)

    def lake_keys(self, prefix: str = "") -> list[str]:
        """Return what is in the lake."""
        found = self.s3.list_objects_v2(Bucket=self.lake, Prefix=prefix)
        return [item["Key"] for item in found.get("Contents", [])]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook  # noqa: PLC0415  # slow to import

        return list(SnowflakeHook("snowflake_default").get_records(sql))


@pytest.fixture(scope="session")
def pipeline_emulators() -> Iterator[Any]:
    """One instance of the emulators, with the sample data, for all tests of the pipeline."""
    from workbench.emulators import serve  # noqa: PLC0415

    with serve(sample=True) as connections:
        yield connections


@pytest.fixture
def make_place(pipeline_emulators: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Place]:
    """Point this process's connections at a fresh lake and a fresh warehouse."""

    def make(*, sample: bool = False) -> Place:
        import boto3  # noqa: PLC0415  # these two are slow to import
        from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook  # noqa: PLC0415

        name = f"t{uuid.uuid4().hex[:12]}"
        env = pipeline_emulators.env()
        snowflake = json.loads(env["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
        snowflake["extra"]["database"] = name.upper()
        env["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"] = json.dumps(snowflake)
        env["TELECOMS_LAKE_BUCKET"] = f"{name}-lake"
        s3 = boto3.client(
            "s3",
            endpoint_url=pipeline_emulators.s3_url,
            region_name="us-east-1",
            aws_access_key_id="offline",
            aws_secret_access_key="offline",  # pragma: allowlist secret
        )
        s3.create_bucket(Bucket=env["TELECOMS_LAKE_BUCKET"])
        if not sample:
            env["TELECOMS_SOURCE_BUCKET"] = f"{name}-source"
            s3.create_bucket(Bucket=env["TELECOMS_SOURCE_BUCKET"])
        for variable, value in pipeline_emulators.env().items():
            monkeypatch.setenv(variable, value)
        SnowflakeHook("snowflake_default").run(f"CREATE DATABASE {name}")
        for variable, value in env.items():
            monkeypatch.setenv(variable, value)
        sheets = pipeline_emulators.data / "sheets"
        return Place(
            env, s3, env["TELECOMS_LAKE_BUCKET"], env["TELECOMS_SOURCE_BUCKET"], pipeline_emulators.page_url, sheets
        )

    return make


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    """A fresh lake, warehouse and source bucket, all empty."""
    return make_place()


#: Names under which machines have it.
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium: the machine's own, because playwright's would be a download of its own.

    It ends with its module: while playwright runs, this thread has a running event loop, so `asyncio.run` in any test
    that follows would fail. A start takes a second.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only the tests of pages pay for it

    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not program:
        missing = "no Chromium on this machine: install the package chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    # Its sandbox refuses to run as root; a container's /dev/shm is too small for a large page.
    options = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()

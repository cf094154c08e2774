"""F5 where the environment runs natively, and the editor beside it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cases.debugger import AttachCases, DebuggerCases, Live
from tests.dap import Place
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.dap import Message
    from tests.native.conftest import Stack

pytestmark = pytest.mark.native


@pytest.fixture(scope="module")
def checkout(make_stack: Callable[..., Stack]) -> Stack:
    """A checkout whose environment is not up."""
    stack = make_stack("debugger")
    ports = dict(zip(("scheduler", "dag-processor"), free_ports(2), strict=True))
    with (stack.root / ".env").open("a") as file:
        file.write(f"WORKBENCH_DEBUGPY={','.join(f'{name}:{port}' for name, port in ports.items())}\n")
    return stack


@pytest.fixture(scope="module")
def environment(checkout: Stack) -> Live:
    """Its environment, up."""
    checkout.up()
    settings = checkout.settings
    return Live(
        place=Place(checkout.root, checkout.process),
        api=checkout.api,
        emulators_url=settings.emulators_url,
        database_url=settings.database_url.replace("+psycopg2", ""),
        logs=str(settings.airflow_home / "logs"),
    )


@pytest.fixture
def attach(checkout: Stack, environment: Live) -> Callable[[str], Message]:
    """The entry for this place, with the ports of this test's environment."""
    ports = dict(one.split(":") for one in checkout.settings.environment["WORKBENCH_DEBUGPY"].split(","))

    def entry(component: str) -> Message:
        found = environment.place.entry("Attach to a running component", environment.file)
        found["connect"]["port"] = int(ports[component])
        return found

    return entry


def test_emulators_down(checkout: Stack) -> None:
    """A run says that the emulators are down and how to start them, however it is started.

    A task that needs none runs all the same.
    """
    ingest = checkout.root / "dags/telecoms/ingest_agents.py"
    python = str(checkout.root / ".venv/bin/python")
    for command in ([python, "-m", "workbench.cli", "run", "ingest_agents"], [python, str(ingest)]):
        ran = subprocess.run(
            command, cwd=checkout.root, env=checkout.process, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 1
        assert "error: the emulators are not running, and connections point at them" in ran.stderr
        assert "fix:  ./dev up" in ran.stderr
    alone = checkout.root / "dags/alone.py"
    alone.write_text(
        "from airflow.sdk import dag, task\n\n"
        "@dag(schedule=None)\ndef alone():\n    @task\n    def work(): ...\n    work()\n\nalone()\n"
    )
    ran = checkout.dev("run", "alone")
    alone.unlink()
    assert ran.returncode == 0, ran.stdout + ran.stderr


class TestDebugger(DebuggerCases):
    """The editor on the machine that the environment runs on."""


class TestAttach(AttachCases):
    """Components listen on the loopback."""

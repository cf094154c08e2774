"""Docker for the tests, and one environment in it."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cases import SOONER
from tests.containers.harness import engine
from tests.containers.stack import ROOT, Stack, copy_checkout
from tests.ports import free_ports
from tests.undo import undone

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = ("AIRFLOW_PORT", "EMULATORS_PORT", "EMULATORS_S3_PORT", "EMULATORS_SNOWFLAKE_PORT")
HERE = Path(__file__).resolve().parent
#: The first test of a machine's first run waits for engine, base images, builds and the start.
LONGEST_SECONDS = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.containers)
            item.add_marker(pytest.mark.timeout(LONGEST_SECONDS))


@pytest.fixture(scope="session")
def docker() -> Iterator[engine.Engine]:
    """An engine with the base images; CI has it or fails."""
    if not engine.Engine(None).answers() and (why := engine.obstacle()) and not os.environ.get("CI"):
        pytest.skip(why)
    with engine.running() as found:
        yield found


@pytest.fixture(scope="session")
def checkout(docker: engine.Engine, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A copy of the checkout with a project name and ports of its own; nothing runs yet."""
    folder = copy_checkout(tmp_path_factory.mktemp("containers") / "checkout")
    shutil.copy(HERE / "dags/probe.py", folder / "dags")
    (folder / ".env").write_text(SOONER)
    foreign = ("AIRFLOW", "AWS_", "COMPOSE", "POSTGRES", "EMULATORS", "TELECOMS_")
    environment = {name: value for name, value in docker.environment.items() if not name.startswith(foreign)}
    environment |= {
        "COMPOSE_PROJECT_NAME": f"workbench-test-{secrets.token_hex(4)}",
        **dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True)),
    }
    return Stack(folder, environment)


@pytest.fixture(scope="session")
def stack(checkout: Stack) -> Iterator[Stack]:
    """The environment, up and healthy by the one command that the README names."""
    end = ["docker", "compose", "down", "--volumes", "--remove-orphans", "--timeout=5"]
    with undone(end, cwd=checkout.checkout, env=checkout.environment):
        try:
            # --build, for the engine keeps images from one run to the next.
            checkout.compose("up", "--detach", "--wait", "--build")
            yield checkout
        finally:
            checkout.close()


@pytest.fixture(scope="module")
def front(stack: Stack) -> Iterator[Stack]:
    """The environment that plain Compose started, taken over by `./dev up`."""
    link = stack.checkout / ".venv-emulators"
    link.symlink_to(ROOT / ".venv-emulators")
    result = stack.dev("up")
    assert result.returncode == 0, result.stdout + result.stderr
    yield stack
    link.unlink()  # the workspace mounts a volume of its own over it

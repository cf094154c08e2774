"""A start in Docker ends as soon as it cannot succeed, and says why with the end of the service's own log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workbench.cli.backends.docker import start as docker_start
from workbench.cli.services import Service
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workbench.cli.settings import Settings

LAST_WORDS = "sqlalchemy.exc.ArgumentError: no such thing"


def seen(name: str, state: str, health: str, restarts: int = 0) -> Service:
    return Service(name, state, health, restarts, kills=0, memory_bytes=0, limit_bytes=1, pid=1)


@pytest.fixture
def fail_early(
    load: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Service, int | None], None]:
    """Check one service while Compose runs, or after it has ended."""
    log = tmp_path / "up.log"
    log.write_text("Container postgres  Error\ndependency failed to start\n")
    monkeypatch.setattr(docker_start, "lines", lambda settings, service, count: [LAST_WORDS])
    return lambda service, status: docker_start.fail_early(load(), [service], {"scheduler": 5}, log, status)


@pytest.mark.parametrize(
    ("service", "status"),
    [
        (seen("scheduler", "running", "starting", restarts=7), None),
        (seen("scheduler", "running", "healthy", restarts=9), 0),
        (seen("api-server", "running", "unhealthy"), 0),
        (seen("airflow-init", "failed", "none"), None),
    ],
    ids=["restarted before and twice now", "healthy again", "may still recover", "Compose tries it again"],
)
def test_waits(fail_early: Callable[[Service, int | None], None], service: Service, status: int | None) -> None:
    """A start waits for what may still come up."""
    fail_early(service, status)


@pytest.mark.parametrize(
    ("service", "status"),
    [
        (seen("scheduler", "running", "starting", restarts=8), None),
        (seen("airflow-init", "failed", "none"), 1),
        (seen("postgres", "running", "unhealthy"), 1),
    ],
    ids=["ends three times", "the one-shot has failed", "Compose has given up"],
)
def test_gives_up(fail_early: Callable[[Service, int | None], None], service: Service, status: int | None) -> None:
    """A service that will not come up is named, with the end of its log."""
    with pytest.raises(UserError) as error:
        fail_early(service, status)
    assert error.value.what == f"{service.name} did not start"
    assert LAST_WORDS in error.value.why
    assert error.value.fix == f"./dev logs {service.name}"


def test_version_file(fail_early: Callable[[Service, int | None], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume without its version file is named, with the command that restores it."""
    logged = 'initdb: error: directory "/var/lib/postgresql/data" exists but is not empty'
    monkeypatch.setattr(docker_start, "lines", lambda settings, service, count: [logged])
    with pytest.raises(UserError, match="was not changed") as error:
        fail_early(seen("postgres", "running", "unhealthy"), 1)
    assert error.value.fix.startswith(docker_start.PUT_BACK)


def test_compose_error(fail_early: Callable[[Service, int | None], None]) -> None:
    """An error of Compose's own is shown unchanged."""
    with pytest.raises(UserError, match="dependency failed to start"):
        fail_early(seen("scheduler", "stopped", "none"), 1)

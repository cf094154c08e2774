"""A start in Docker ends as soon as it cannot succeed, and says why in the service's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workbench.cli.backends.docker import start as docker_start
from workbench.cli.backends.native.observe import Service
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
    """Look at one service while Compose runs, or after it has ended."""
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
def test_what_may_still_come_up_is_waited_for(
    fail_early: Callable[[Service, int | None], None], service: Service, status: int | None
) -> None:
    fail_early(service, status)


@pytest.mark.parametrize(
    ("service", "status"),
    [
        (seen("scheduler", "running", "starting", restarts=8), None),
        (seen("airflow-init", "failed", "none"), 1),
        (seen("postgres", "running", "unhealthy"), 1),
    ],
    ids=["ends again and again", "the one-shot has failed", "Compose has given up"],
)
def test_what_will_not_come_up_is_named_with_the_end_of_its_log(
    fail_early: Callable[[Service, int | None], None], service: Service, status: int | None
) -> None:
    with pytest.raises(UserError) as error:
        fail_early(service, status)
    assert error.value.what == f"{service.name} did not start"
    assert LAST_WORDS in error.value.why
    assert error.value.fix == f"./dev logs {service.name}"


def test_a_volume_without_its_version_file_is_named_with_the_way_to_put_it_back(
    fail_early: Callable[[Service, int | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = 'initdb: error: directory "/var/lib/postgresql/data" exists but is not empty'
    monkeypatch.setattr(docker_start, "lines", lambda settings, service, count: [said])
    with pytest.raises(UserError, match="left as it is") as error:
        fail_early(seen("postgres", "running", "unhealthy"), 1)
    assert error.value.fix.startswith(docker_start.PUT_BACK)


def test_an_error_of_composes_own_is_told_as_it_stands(fail_early: Callable[[Service, int | None], None]) -> None:
    with pytest.raises(UserError, match="dependency failed to start"):
        fail_early(seen("scheduler", "stopped", "none"), 1)

"""A daemon, a client or a Compose that will not do is told in one message before anything starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from workbench.cli.backends.docker import engine
from workbench.cli.backends.docker.backend import Docker
from workbench.cli.finding import BAD, GOOD
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workbench.cli.settings import Settings

GIB = 1 << 30
INFO: dict[str, Any] = {
    "ServerVersion": "28.5.2",
    "MemTotal": 8 * GIB,
    "DockerRootDir": "/nowhere",
    "OperatingSystem": "Docker Desktop",
    "ClientInfo": {"Plugins": [{"Name": "buildx", "Version": "v0.29"}, {"Name": "compose", "Version": "v2.40.3"}]},
}
NO_DAEMON = {"ServerErrors": ["Cannot connect to the Docker daemon at unix:///var/run/docker.sock."]}
DENIED = {"ServerErrors": ["permission denied while trying to connect to the Docker daemon socket"]}


@pytest.fixture
def pretend(load: Callable[..., Settings], tmp_path: Path) -> Callable[..., Settings]:
    """Put a `docker` on PATH that gives this information and notes what it was asked."""

    def pretend(**changed: Any) -> Settings:
        (tmp_path / "info.json").write_text(json.dumps(INFO | changed))
        client = tmp_path / "bin/docker"
        client.parent.mkdir()
        answer = f'case $* in info*) cat {tmp_path}/info.json;; *config*) echo \'{{"name": "here"}}\';; esac'
        client.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n{answer}\n')
        client.chmod(0o755)
        return load(PATH=f"{client.parent}:/usr/bin:/bin")

    return pretend


def compose(version: str) -> dict[str, Any]:
    return {"ClientInfo": {"Plugins": [{"Name": "compose", "Version": version}]}}


@pytest.mark.parametrize(
    ("changed", "what", "why"),
    [
        (NO_DAEMON | {"ServerVersion": ""}, "Docker does not answer", "unix:///var/run/docker.sock"),
        (DENIED | {"ServerVersion": ""}, "Docker does not answer", "permission denied"),
        ({"ServerVersion": "24.0.9"}, "Docker Engine is too old", "it is 24.0.9"),
        (compose("2.23.3"), "Docker Compose is too old", "it is 2.23.3"),
        ({"ClientInfo": {"Plugins": None}}, "Docker Compose is not installed", "2.24 is needed"),
        ({"MemTotal": 4 * GIB}, "Docker has too little memory", "4.0 GiB"),
    ],
    ids=["no daemon", "permission denied", "old engine", "old compose", "no compose", "little memory"],
)
def test_what_will_not_do_is_said_before_anything_starts(
    pretend: Callable[..., Settings], tmp_path: Path, changed: dict[str, Any], what: str, why: str
) -> None:
    """By `up`, which asks no more then, and by `doctor`, in the same words."""
    place = Docker(pretend(**changed))
    with pytest.raises(UserError) as error:
        place.up(Console(quiet=True))
    assert error.value.what == what
    assert why in error.value.why
    assert "./dev up --mode native" in error.value.fix
    assert (tmp_path / "asked").read_text().splitlines() == ["info --format {{json .}}"]
    assert next(finding.found for finding in place.look() if finding.verdict == BAD) == f"{what}: {error.value.why}"


def test_what_will_do_is_named(pretend: Callable[..., Settings]) -> None:
    found = {finding.subject: finding for finding in Docker(pretend()).look() if finding.verdict == GOOD}
    assert "28.5.2" in found["Docker"].found
    assert "v2.40.3" in found["Compose"].found
    assert found["memory"].found == "8.0 GiB"


def test_a_full_disk_is_said(pretend: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = engine.inquire(pretend(DockerRootDir=str(tmp_path)))
    monkeypatch.setattr(engine, "DISK_NEEDED", 1 << 60)
    with pytest.raises(UserError, match="the disk is full"):
        found.check_disk()


def test_without_docker_there_is_no_daemon(load: Callable[..., Settings], tmp_path: Path) -> None:
    settings = load(PATH=str(tmp_path))
    assert not engine.answers(settings)
    assert not Docker(settings).runs()
    with pytest.raises(UserError, match="Docker is not installed"):
        engine.inquire(settings)


def test_a_daemon_that_hangs_is_given_up(
    pretend: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pretend()
    (tmp_path / "bin/docker").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(engine, "PATIENCE", 0.2)
    with pytest.raises(UserError, match="no answer after"):
        engine.inquire(settings)


def test_the_client_is_told_the_ports_that_were_read_here(load: Callable[..., Settings]) -> None:
    """Compose reads `.env` by rules of its own."""
    told = engine.environment(load("AIRFLOW_PORT = 8181 # mine\nEMULATORS_PORT=8190\n", DOCKER_HOST="unix:///there"))
    assert told["AIRFLOW_PORT"] == "8181"
    assert told["WORKBENCH_S3_PORT"] == "8191"
    assert told["DOCKER_HOST"] == "unix:///there"


def test_a_new_lock_asks_for_new_images(load: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    for name in engine.BUILT_FROM:
        (tmp_path / name).write_text("")
    settings = load()
    before = engine.inputs(settings)
    (tmp_path / "requirements/airflow.txt").write_text("apache-airflow==3.0.7\n")
    assert engine.inputs(settings) != before


@pytest.mark.parametrize("text", ["v2.40.3-desktop.1", "2.40.3-3", "2.40"])
def test_versions_of_all_makers_are_understood(text: str) -> None:
    assert engine.numbers(text) == (2, 40)

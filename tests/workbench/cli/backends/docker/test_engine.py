"""A daemon, a client or a Compose that is not enough gets one message before anything starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from workbench.cli import minimums
from workbench.cli.backends.docker import client, engine, start
from workbench.cli.backends.docker.backend import Docker
from workbench.cli.finding import ERROR, OK
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
    """Put a `docker` on PATH that prints this information and notes its arguments."""

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
        ({"ServerVersion": "24.0.9"}, "Docker Engine is too old", "expected 25.0 or more, found 24.0.9"),
        (compose("2.23.3"), "Docker Compose is too old", "expected 2.24 or more, found 2.23.3"),
        (
            {"ClientInfo": {"Plugins": None}},
            "Docker Compose is not installed",
            "expected `docker compose` 2.24 or more",
        ),
        ({"MemTotal": 4 * GIB}, "Docker has too little memory", "expected 5.5 GiB or more, found 4.0 GiB"),
    ],
    ids=["no daemon", "permission denied", "old engine", "old compose", "no compose", "little memory"],
)
def test_refused(
    pretend: Callable[..., Settings], tmp_path: Path, changed: dict[str, Any], what: str, why: str
) -> None:
    """By `up`, which asks no more then, and by `doctor`, in the same words."""
    docker = Docker(pretend(**changed))
    with pytest.raises(UserError) as error:
        docker.up(Console(quiet=True))
    assert error.value.what == what
    assert why in error.value.why
    assert "./dev up --mode native" in error.value.fix
    assert (tmp_path / "asked").read_text().splitlines() == ["info --format {{json .}}"]
    assert (
        next(finding.found for finding in docker.examine() if finding.verdict == ERROR) == f"{what}: {error.value.why}"
    )


def test_accepted(pretend: Callable[..., Settings]) -> None:
    """Versions and memory that are enough are shown."""
    found = {finding.subject: finding for finding in Docker(pretend()).examine() if finding.verdict == OK}
    assert "28.5.2" in found["Docker"].found
    assert "v2.40.3" in found["Compose"].found
    assert found["memory"].found == "8.0 GiB"


def test_full_disk(pretend: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an error."""
    found = engine.inquire(pretend(DockerRootDir=str(tmp_path)))
    monkeypatch.setattr(minimums, "DOCKER_DISK", 1 << 60)
    with pytest.raises(UserError, match="the disk has too little space"):
        found.check_disk()


def test_no_client(load: Callable[..., Settings], tmp_path: Path) -> None:
    """Without Docker there is no daemon."""
    settings = load(PATH=str(tmp_path))
    assert not engine.answers(settings)
    assert not Docker(settings).runs()
    with pytest.raises(UserError, match="Docker is not installed"):
        engine.inquire(settings)


def test_hangs(pretend: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that hangs does not answer."""
    settings = pretend()
    (tmp_path / "bin/docker").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(engine, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(UserError, match="no answer after"):
        engine.inquire(settings)


def test_ports(load: Callable[..., Settings]) -> None:
    """Compose reads `.env` by rules of its own."""
    environment = client.environment(
        load("AIRFLOW_PORT = 8181 # mine\nEMULATORS_PORT=8190\n", DOCKER_HOST="unix:///there")
    )
    assert environment["AIRFLOW_PORT"] == "8181"
    assert environment["WORKBENCH_S3_PORT"] == "8191"
    assert environment["DOCKER_HOST"] == "unix:///there"


def test_stale_images(load: Callable[..., Settings], tmp_path: Path) -> None:
    """A new lock means new images."""
    (tmp_path / "requirements").mkdir()
    for name in start.BUILT_FROM:
        (tmp_path / name).write_text("")
    settings = load()
    before = start.inputs(settings)
    (tmp_path / "requirements/airflow.txt").write_text("apache-airflow==3.0.7\n")
    assert start.inputs(settings) != before


@pytest.mark.parametrize("text", ["v2.40.3-desktop.1", "2.40.3-3", "2.40"])
def test_versions(text: str) -> None:
    """Versions of all vendors are read."""
    assert minimums.numbers(text) == (2, 40)

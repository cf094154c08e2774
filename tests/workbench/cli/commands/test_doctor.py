"""`./dev doctor` finds what keeps `up` from working, says how to fix it, and changes nothing."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from workbench.cli import minimums
from workbench.cli.backends.native.backend import Native
from workbench.cli.commands import doctor
from workbench.cli.finding import ERROR, OK, WARNING, Finding
from workbench.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def findings(checkout: Path) -> Callable[..., dict[str, list[Finding]]]:
    """Diagnose a checkout; with free ports unless the .env says otherwise."""

    def diagnose(text: str = "") -> dict[str, list[Finding]]:
        (checkout / ".env").write_text(text)
        (checkout / ".env").chmod(0o600)
        before = sorted(path for path in checkout.rglob("*"))
        found: dict[str, list[Finding]] = {}
        for finding in doctor.diagnose(lambda: Native(Settings.load(checkout, {}))).findings:
            found.setdefault(finding.subject, []).append(finding)
        assert sorted(path for path in checkout.rglob("*")) == before
        return found

    return diagnose


def test_broken_env(findings: Callable[..., dict[str, list[Finding]]]) -> None:
    """A broken .env is an error with its fix."""
    (finding,) = findings("AIRFLOW_CONN_AWS_DEFAULT='{'\n")["settings"]
    assert finding.verdict == ERROR
    assert "AIRFLOW_CONN_AWS_DEFAULT" in finding.found
    assert finding.fix


def test_port(findings: Callable[..., dict[str, list[Finding]]]) -> None:
    """A taken port is an error."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (finding,) = findings(f"AIRFLOW_PORT={port}\n")["ports"]
    assert finding.verdict == ERROR
    assert "set AIRFLOW_PORT" in finding.fix


def test_secrets(findings: Callable[..., dict[str, list[Finding]]], checkout: Path) -> None:
    """Secrets that others can read, or that git would publish, are found."""
    key = checkout / "secrets/google_service_account.json"
    key.parent.mkdir()
    key.write_text("{}")
    key.chmod(0o644)
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    subprocess.run(["git", "add", "secrets"], cwd=checkout, check=True)
    found = findings()
    assert found["secrets/google_service_account.json"][0].verdict == WARNING
    assert found["secrets"][0].verdict == ERROR
    assert found[".env"][-1].verdict == OK


def test_fernet(findings: Callable[..., dict[str, list[Finding]]], checkout: Path) -> None:
    """A lost Fernet key is found."""
    (checkout / ".run/postgres").mkdir(parents=True)
    (checkout / ".run/keys").mkdir(mode=0o700)
    assert "Fernet" in findings()["keys"][0].found


def test_ignored(
    findings: Callable[..., dict[str, list[Finding]]],
) -> None:
    """A setting that would be ignored is named."""
    assert "AIRFLOW_HOME" in findings("AIRFLOW_HOME=/elsewhere\n")[".env"][1].found


@pytest.mark.parametrize("resource", ["NATIVE_DISK", "NATIVE_MEMORY"])
def test_room(
    findings: Callable[..., dict[str, list[Finding]]], monkeypatch: pytest.MonkeyPatch, resource: str
) -> None:
    """Too little disk or memory is found."""
    monkeypatch.setattr(minimums, resource, 1 << 60)
    (finding,) = findings()[resource.removeprefix("NATIVE_").lower()]
    assert finding.verdict != OK
    assert "expected 1073741824.0 GiB or more, found " in finding.found
    assert finding.fix

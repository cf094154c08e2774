"""`./dev doctor` finds what keeps `up` from working, says how to fix it, and changes nothing."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from workbench.cli.backends.native import backend as native
from workbench.cli.backends.native.backend import Native
from workbench.cli.commands import doctor
from workbench.cli.finding import BAD, GOOD, POOR, Finding
from workbench.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def findings(checkout: Path) -> Callable[..., dict[str, list[Finding]]]:
    """Diagnose a checkout; free ports unless told otherwise."""

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


def test_a_broken_env_is_an_error_with_its_mend(findings: Callable[..., dict[str, list[Finding]]]) -> None:
    (finding,) = findings("AIRFLOW_CONN_AWS_DEFAULT='{'\n")["settings"]
    assert finding.verdict == BAD
    assert "AIRFLOW_CONN_AWS_DEFAULT" in finding.found
    assert finding.fix


def test_a_taken_port_is_an_error(findings: Callable[..., dict[str, list[Finding]]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (finding,) = findings(f"AIRFLOW_PORT={port}\n")["ports"]
    assert finding.verdict == BAD
    assert "set AIRFLOW_PORT" in finding.fix


def test_secrets_that_others_may_read_or_git_would_publish_are_found(
    findings: Callable[..., dict[str, list[Finding]]], checkout: Path
) -> None:
    key = checkout / "secrets/google_service_account.json"
    key.parent.mkdir()
    key.write_text("{}")
    key.chmod(0o644)
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    subprocess.run(["git", "add", "secrets"], cwd=checkout, check=True)
    found = findings()
    assert found["secrets/google_service_account.json"][0].verdict == POOR
    assert found["secrets"][0].verdict == BAD
    assert found[".env"][-1].verdict == GOOD


def test_a_lost_fernet_key_is_found(findings: Callable[..., dict[str, list[Finding]]], checkout: Path) -> None:
    (checkout / ".run/postgres").mkdir(parents=True)
    (checkout / ".run/keys").mkdir(mode=0o700)
    assert "Fernet" in findings()["keys"][0].found


def test_a_setting_that_would_be_ignored_is_named(
    findings: Callable[..., dict[str, list[Finding]]],
) -> None:
    assert "AIRFLOW_HOME" in findings("AIRFLOW_HOME=/elsewhere\n")[".env"][1].found


@pytest.mark.parametrize("resource", ["DISK_NEEDED", "MEMORY_NEEDED"])
def test_too_little_room_is_found(
    findings: Callable[..., dict[str, list[Finding]]], monkeypatch: pytest.MonkeyPatch, resource: str
) -> None:
    monkeypatch.setattr(native, resource, 1 << 60)
    (finding,) = findings()[resource.removesuffix("_NEEDED").lower()]
    assert finding.verdict != GOOD
    assert finding.fix

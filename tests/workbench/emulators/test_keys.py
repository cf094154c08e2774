"""The throwaway keys."""

from __future__ import annotations

import json
import os
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.emulators


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_created_once(tmp_path: Path, run_emulators: Run) -> None:
    """Keys are created once, and only their owner can read them."""
    keys = tmp_path / "keys"
    assert run_emulators("keys", "--keys", keys, "--host", "emulators", "--port", 1234).returncode == 0
    made = contents(keys)
    assert set(made) == {"ca.pem", "ca-bundle.pem", "server.pem", "server.key", "google_service_account.json"}
    assert oct(keys.stat().st_mode)[-3:] == "700"
    assert {oct((keys / name).stat().st_mode)[-3:] for name in ("server.key", "google_service_account.json")} == {"600"}
    assert json.loads(made["google_service_account.json"])["token_uri"] == "http://emulators:1234/token"
    names = x509.load_pem_x509_certificate(made["server.pem"]).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["emulators", "localhost"]
    assert run_emulators("keys", "--keys", keys, "--host", "emulators", "--port", 1234).returncode == 0
    assert contents(keys) == made


def test_another_address(tmp_path: Path, run_emulators: Run) -> None:
    """Another port keeps the Google private key, and a new host name gets a certificate."""
    run_emulators("keys", "--keys", tmp_path, "--port", 1)
    before = contents(tmp_path)
    run_emulators("keys", "--keys", tmp_path, "--port", 2)
    moved = contents(tmp_path)
    assert {name for name in moved if moved[name] != before[name]} == {"google_service_account.json"}
    accounts = [json.loads(each["google_service_account.json"]) for each in (before, moved)]
    assert accounts[0]["private_key"] == accounts[1]["private_key"]
    run_emulators("keys", "--keys", tmp_path, "--host", "elsewhere", "--port", 2)
    assert contents(tmp_path)["ca.pem"] != moved["ca.pem"]


@pytest.mark.parametrize("lost", ["ca.pem", "server.key", "server.pem", "google_service_account.json", "ca-bundle.pem"])
def test_damaged(tmp_path: Path, run_emulators: Run, lost: str) -> None:
    """A lost or damaged key is created again."""
    run_emulators("keys", "--keys", tmp_path)
    (tmp_path / lost).write_text("damaged")
    assert run_emulators("keys", "--keys", tmp_path).returncode == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "ca.pem")
    assert (tmp_path / "ca-bundle.pem").read_text().endswith((tmp_path / "ca.pem").read_text())
    json.loads((tmp_path / "google_service_account.json").read_text())


def test_trusted_certificates(tmp_path: Path, run_emulators: Run) -> None:
    """The certificates that the machine trusts stay trusted, so a company's proxy is still reached."""
    own = tmp_path / "company.pem"
    own.write_text("-----company-----\n")
    environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(own)}
    run_emulators("keys", "--keys", tmp_path / "keys", **environment)
    bundle = (tmp_path / "keys" / "ca-bundle.pem").read_text()
    assert bundle == own.read_text() + (tmp_path / "keys" / "ca.pem").read_text()


def test_missing_certificates(tmp_path: Path, run_emulators: Run) -> None:
    """Missing trusted certificates are one message without a traceback."""
    environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(tmp_path / "missing.pem")}
    result = run_emulators("keys", "--keys", tmp_path / "keys", **environment)
    assert result.returncode == 1
    assert "missing.pem" in result.stderr
    assert "REQUESTS_CA_BUNDLE" in result.stderr
    assert "Traceback" not in result.stderr

"""What the dev container's files promise, read from what Compose makes of them; nothing runs."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.containers.editor import FILES
from tests.containers.stack import Stack, copy_checkout

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30
AIRFLOW = ("api-server", "scheduler", "triggerer", "dag-processor")
CODESPACE = {"CODESPACE_NAME": "fluffy-waffle-7", "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": "app.github.example"}
ADDRESS = "https://fluffy-waffle-7-8080.app.github.example/"


@pytest.fixture
def clone(checkout: Stack, tmp_path: Path) -> Stack:
    """A checkout of its own that nobody has opened yet."""
    return replace(checkout, checkout=copy_checkout(tmp_path / "checkout"))


def initialize(clone: Stack, **variables: str) -> None:
    """Run the first lifecycle command, on the host."""
    environment = {**clone.environment, "HOME": str(clone.checkout.parent), **variables}
    subprocess.run([".devcontainer/initialize"], cwd=clone.checkout, env=environment, check=True)


def services(clone: Stack) -> dict[str, dict[str, Any]]:
    """Return each service as Compose renders it for the editor."""
    found: dict[str, dict[str, Any]] = json.loads(clone.compose(*FILES, "config", "--format", "json"))["services"]
    return found


def test_devcontainer_json(clone: Stack) -> None:
    """`devcontainer.json` names what exists."""
    text = (clone.checkout / ".devcontainer/devcontainer.json").read_text(encoding="utf-8")
    settings = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    for file in settings["dockerComposeFile"]:
        assert (clone.checkout / ".devcontainer" / file).is_file()
    assert all(settings["portsAttributes"][str(port)]["label"] for port in settings["forwardPorts"])
    passed_on = (clone.checkout / "compose/user.env").read_text(encoding="utf-8").splitlines()
    assert set(settings["secrets"]) <= set(passed_on)
    assert all(secret["description"] for secret in settings["secrets"].values())
    commands = [value for name, value in settings.items() if name.endswith("Command")]
    assert commands
    for command in commands:
        assert os.access(clone.checkout / command, os.X_OK), command


def test_fits(clone: Stack) -> None:
    """The workspace fits beside the rest and publishes nothing."""
    initialize(clone)
    found = services(clone)
    assert sum(int(service["mem_limit"]) for service in found.values()) <= 8 * GIB
    assert [name for name, service in found.items() if service.get("ports")] == []
    assert found["workspace"]["cap_drop"] == ["ALL"]


def test_ports(clone: Stack) -> None:
    """A codespace forwards the workspace's own ports, where the servers listen.

    A port of another service would not be reachable: Codespaces ignores `service:port`.
    """
    initialize(clone)
    found = services(clone)
    assert {found[name]["network_mode"] for name in ("api-server", "emulators")} == {"service:workspace"}
    assert set(found["workspace"]["networks"]["default"]["aliases"]) == {"api-server", "emulators"}


def test_links(clone: Stack) -> None:
    """Outside of a codespace links lead to the forwarded port."""
    initialize(clone)
    addresses = {service: services(clone)[service]["environment"]["AIRFLOW__API__BASE_URL"] for service in AIRFLOW}
    assert set(addresses.values()) == {"http://localhost:8080/"}


def test_codespace_links(clone: Stack) -> None:
    """In a codespace links lead to its address, and tasks call the api-server directly."""
    initialize(clone, **CODESPACE)
    for name in (*AIRFLOW, "workspace"):
        environment = services(clone)[name]["environment"]
        assert environment["AIRFLOW__API__BASE_URL"] == ADDRESS, name
        assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://api-server:8080/execution/", name


def test_own_address(clone: Stack) -> None:
    """An address of the user's own wins."""
    initialize(clone, **CODESPACE)
    (clone.checkout / ".env").write_text("AIRFLOW_BASE_URL=https://airflow.example.org/\n", encoding="utf-8")
    assert services(clone)["scheduler"]["environment"]["AIRFLOW__API__BASE_URL"] == "https://airflow.example.org/"


def test_codespace_secrets(clone: Stack) -> None:
    """What only the codespace's agent knows reaches Airflow: names, addresses and secrets, each to the letter."""
    # pragma: allowlist nextline secret
    slack = """{"conn_type":"slack","password":"xoxb-$HOME `it's` #1 \\"q\\""}"""
    secrets = {**CODESPACE, "AIRFLOW_CONN_SLACK_API_DEFAULT": slack, "GITHUB_TOKEN": "not for Airflow"}
    shared = clone.checkout.parent / ".codespaces/shared"
    shared.mkdir(parents=True)
    lines = [f"{name}={base64.b64encode(value.encode()).decode()}\n" for name, value in secrets.items()]
    (shared / ".env-secrets").write_text("".join(lines), encoding="utf-8")
    initialize(clone)
    environment = services(clone)["scheduler"]["environment"]
    assert environment["AIRFLOW__API__BASE_URL"] == ADDRESS
    assert environment["AIRFLOW_CONN_SLACK_API_DEFAULT"].replace("$$", "$") == slack
    assert "GITHUB_TOKEN" not in environment
    assert "emulators" in environment["AIRFLOW_CONN_AWS_DEFAULT"]


def test_secrets(clone: Stack) -> None:
    """Secrets in the environment reach Airflow and no file."""
    shell = {"AWS_ACCESS_KEY_ID": "from-the-shell"}  # pragma: allowlist secret
    initialize(clone, **shell)
    rendered = services(replace(clone, environment={**clone.environment, **shell}))
    assert rendered["scheduler"]["environment"]["AWS_ACCESS_KEY_ID"] == "from-the-shell"
    assert "from-the-shell" not in (clone.checkout / ".devcontainer/codespace.env").read_text(encoding="utf-8")


def test_made_files(clone: Stack) -> None:
    """What is made for Compose is for its user alone, and never committed."""
    initialize(clone)
    assert (clone.checkout / ".devcontainer/codespace.env").stat().st_mode & 0o077 == 0
    subprocess.run(["git", "init", "--quiet"], cwd=clone.checkout, check=True)
    ignored = ["git", "check-ignore", ".devcontainer/codespace.env", ".devcontainer/codespace.env.new"]
    assert len(subprocess.check_output(ignored, cwd=clone.checkout, text=True).splitlines()) == 2

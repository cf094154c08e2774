"""What the Compose files promise, read from what Compose makes of them; nothing runs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.containers.stack import SERVICES, Stack

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30
ONE_SHOTS = {"airflow-init"}
#: What the emulators take for a credential is none anywhere else.
HARMLESS = {"offline", "xoxb-offline"}


@pytest.fixture(scope="module")
def services(checkout: Stack) -> dict[str, dict[str, Any]]:
    """Each service as Compose renders it."""
    found: dict[str, dict[str, Any]] = checkout.rendered()["services"]
    return found


def test_services(services: dict[str, dict[str, Any]]) -> None:
    """The services are the ones that scripts rely on."""
    assert set(services) == {*SERVICES, *ONE_SHOTS}


def test_limits(services: dict[str, dict[str, Any]]) -> None:
    """The limits fit a small laptop, and no service may swap."""
    limits = {name: int(service["mem_limit"]) for name, service in services.items()}
    assert sum(limits.values()) <= 6 * GIB
    assert limits == {name: int(service["memswap_limit"]) for name, service in services.items()}


def test_health(services: dict[str, dict[str, Any]]) -> None:
    """Each service that stays reports its health and is restarted."""
    for name in SERVICES:
        assert services[name]["healthcheck"]["start_interval"], name
        assert services[name]["restart"] == "unless-stopped", name


def test_order(services: dict[str, dict[str, Any]]) -> None:
    """No service starts before what it needs is ready."""
    for name, service in services.items():
        for other, needed in service.get("depends_on", {}).items():
            ready = "service_completed_successfully" if other in ONE_SHOTS else "service_healthy"
            assert needed["condition"] == ready, f"{name} -> {other}"
            assert needed["required"], f"{name} -> {other}"


def test_published(services: dict[str, dict[str, Any]]) -> None:
    """Only the UI and the emulators' page are published, and only on loopback."""
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert set(published) == {"api-server", "emulators"}
    for ports in published.values():
        assert [port["host_ip"] for port in ports] == ["127.0.0.1"]


def test_rights(services: dict[str, dict[str, Any]]) -> None:
    """No service may gain rights."""
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & service.keys(), name
        assert service.get("user") not in {"0", "root"}, name


def test_images(services: dict[str, dict[str, Any]]) -> None:
    """Images are pinned, and not to one platform."""
    for name, service in services.items():
        assert re.search(r":\d", service["image"]), name
        assert "platform" not in service, name


def test_mounts(services: dict[str, dict[str, Any]]) -> None:
    """The checkout is mounted read-only."""
    binds = [mount for service in services.values() for mount in service["volumes"] if mount["type"] == "bind"]
    assert {"dags", "common", "secrets"} <= {mount["source"].rsplit("/", 1)[1] for mount in binds}
    assert all(mount["read_only"] for mount in binds)


def test_api_server(services: dict[str, dict[str, Any]]) -> None:
    """The api-server has neither DAG files nor credentials."""
    targets = {mount["target"] for mount in services["api-server"]["volumes"]}
    assert not {"/opt/airflow/dags", "/opt/airflow/secrets", "/opt/airflow"} & targets


def test_no_secret(services: dict[str, dict[str, Any]]) -> None:
    """No secret stands in the files."""
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if variable.startswith("AIRFLOW_CONN_"):
                words = set(re.findall(r'"(?:password|login|token)":"([^"]*)"', value))
                assert words <= {*HARMLESS, "workbench"}, f"{name}: {variable}"
            elif re.search(r"(SECRET|PASSWORD|TOKEN|FERNET|SQL_ALCHEMY_CONN|_KEY)", variable):
                assert variable.endswith(("_CMD", "_FILE")), f"{name}: {variable}"


def with_env(checkout: Stack, folder: Path, text: str, **process: str) -> dict[str, str]:
    """Return the scheduler's environment in a checkout whose .env has this text."""
    copy = folder / "checkout"
    copy.mkdir()
    for name in ("compose", "compose.yaml"):
        (copy / name).symlink_to(checkout.checkout / name)
    (copy / ".env").write_bytes(text.encode())
    stack = replace(checkout, checkout=copy, environment={**checkout.environment, **process})
    found: dict[str, str] = stack.rendered()["services"]["scheduler"]["environment"]
    return found


@pytest.mark.parametrize("name", ["STANDINS_PORT", "STANDINS_S3_PORT", "STANDINS_SNOWFLAKE_PORT", "STANDINS_MEMORY"])
def test_retired(checkout: Stack, tmp_path: Path, name: str) -> None:
    """Compose refuses a retired setting of its own, in .env and in the shell, with the new name."""
    new = name.replace("STANDINS", "EMULATORS")
    for folder, text, process in (("file", f"{name}=1\n", {}), ("shell", "", {name: "1"})):
        (tmp_path / folder).mkdir()
        with pytest.raises(AssertionError, match=f"{name} is now {new}, rename it"):
            with_env(checkout, tmp_path / folder, text, **process)


def test_own_connection(checkout: Stack, tmp_path: Path) -> None:
    """A connection of the user's replaces that one emulator."""
    # pragma: allowlist nextline secret
    real = '{"conn_type":"slack","password":"xoxb-$real#1"}'
    environment = with_env(
        checkout, tmp_path, f"AIRFLOW_CONN_SLACK_API_DEFAULT='{real}'\r\nAIRFLOW__CORE__PARALLELISM=3\r\n"
    )
    assert environment["AIRFLOW_CONN_SLACK_API_DEFAULT"].replace("$$", "$") == real
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "3"
    assert "emulators" in environment["AIRFLOW_CONN_AWS_DEFAULT"]


def test_shell_wins(checkout: Stack, tmp_path: Path) -> None:
    """The shell's value wins over that of `.env`."""
    environment = with_env(checkout, tmp_path, "TELECOMS_LAKE_BUCKET=from-file\n", TELECOMS_LAKE_BUCKET="from-shell")
    assert environment["TELECOMS_LAKE_BUCKET"] == "from-shell"


def test_proxy(checkout: Stack, tmp_path: Path) -> None:
    """A user's proxy is never asked for what Compose starts."""
    environment = with_env(checkout, tmp_path, "HTTP_PROXY=http://proxy.corp:3128\n", NO_PROXY=".corp")
    assert environment["NO_PROXY"] == environment["no_proxy"] == ".corp,localhost,127.0.0.1,api-server,emulators"


def test_moved_port(checkout: Stack) -> None:
    """A moved port reaches every address."""
    port = checkout.environment["EMULATORS_PORT"]
    services = checkout.rendered()["services"]
    assert f"emulators:{port}" in services["scheduler"]["environment"]["AIRFLOW_CONN_SLACK_API_DEFAULT"]
    assert f"--port={port}" in services["emulators"]["command"]
    assert services["scheduler"]["environment"]["AIRFLOW__API__BASE_URL"].endswith(
        f":{checkout.environment['AIRFLOW_PORT']}/"
    )


def test_postgres_volume(checkout: Stack) -> None:
    """Each version of PostgreSQL has a volume of its own."""

    def volume(version: str) -> str:
        stack = replace(checkout, environment={**checkout.environment, "POSTGRES_VERSION": version})
        name: str = stack.rendered()["volumes"]["postgres"]["name"]
        return name

    assert volume("13") != volume("16")
    assert checkout.rendered()["volumes"]["postgres"]["name"] == volume("13")

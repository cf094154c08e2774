"""The workspace that an editor attaches to, beside an environment that already runs."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.containers.stack import Stack

GIB = 1 << 30
FILES = ("--file=compose.yaml", "--file=.devcontainer/workspace.yaml")
DEVELOPER = 1000


@pytest.fixture(scope="module")
def workspace(stack: Stack) -> Callable[..., str]:
    """Run a command in the workspace as its user."""
    if os.geteuid() == 0:  # elsewhere the checkout is its user's anyway
        for folder, _, files in os.walk(stack.checkout):
            for name in (".", *files):
                os.chown(os.path.join(folder, name), DEVELOPER, DEVELOPER)  # noqa: PTH118 os.walk gives strings
        for name in (".venv", ".venv-standins"):  # what initializeCommand does
            (stack.checkout / name).mkdir(exist_ok=True)
            os.chown(stack.checkout / name, DEVELOPER, DEVELOPER)
    stack.compose(*FILES, "up", "--detach", "--wait", "--build")
    return lambda *command: stack.compose(*FILES, "exec", "-T", "workspace", *command)


def test_the_editors_file_names_what_is_there(checkout: Stack) -> None:
    text = (checkout.checkout / ".devcontainer/devcontainer.json").read_text(encoding="utf-8")
    settings = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    for file in settings["dockerComposeFile"]:
        assert (checkout.checkout / ".devcontainer" / file).is_file()
    assert all(settings["portsAttributes"][str(port)]["label"] for port in settings["forwardPorts"])
    for command in ("postCreateCommand", "postAttachCommand"):
        assert os.access(checkout.checkout / settings[command], os.X_OK), command


def test_the_workspace_fits_beside_the_rest_and_publishes_nothing(checkout: Stack) -> None:
    services = json.loads(checkout.compose(*FILES, "config", "--format", "json"))["services"]
    assert sum(int(service["mem_limit"]) for service in services.values()) <= 8 * GIB
    assert [name for name, service in services.items() if service.get("ports")] == []
    assert services["workspace"]["cap_drop"] == ["ALL"]


def test_ui_and_standins_are_on_the_workspaces_own_loopback(stack: Stack, workspace: Callable[..., str]) -> None:
    """Which is all that a Codespace forwards."""
    health = json.loads(workspace("curl", "-sf", "http://localhost:8080/api/v2/monitor/health"))
    assert health["metadatabase"]["status"] == "healthy"
    standins = f"http://localhost:{stack.environment['STANDINS_PORT']}/healthz"
    assert json.loads(workspace("curl", "-sf", standins))["ok"]


def test_the_front_door_uses_the_images_environment(workspace: Callable[..., str]) -> None:
    assert "usage: ./dev" in workspace("./dev", "--help")
    program = "import sys, airflow, debugpy; print(sys.prefix)"
    assert workspace(".venv/bin/python", "-c", program).split() == ["/workspaces/airflow-workbench/.venv"]
    assert "3.11" in workspace(".venv-standins/bin/python", "-c", "import fakesnow, sys; print(sys.version)")


def test_files_made_inside_belong_to_the_user_outside(stack: Stack, workspace: Callable[..., str]) -> None:
    workspace("sh", "-c", "echo made inside > dags/made_inside.txt")
    made = stack.checkout / "dags/made_inside.txt"
    assert made.read_text(encoding="utf-8") == "made inside\n"
    assert made.stat().st_uid == (stack.checkout / "dags").stat().st_uid


def test_hooks_are_installed_by_a_path_that_both_sides_have(stack: Stack, workspace: Callable[..., str]) -> None:
    workspace("git", "init", "--quiet")
    workspace(".devcontainer/post-create")
    workspace(".devcontainer/post-create")
    hook = (stack.checkout / ".git/hooks/pre-commit").read_text(encoding="utf-8")
    assert "INSTALL_PYTHON=.venv/bin/python\n" in hook


def test_keys_are_the_users_to_read_and_nobodys_to_change(workspace: Callable[..., str]) -> None:
    assert workspace("cat", "/opt/airflow/keys/admin_password")
    assert workspace("sh", "-c", "touch /opt/airflow/keys/x 2>/dev/null || echo refused") == "refused\n"

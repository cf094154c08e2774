"""What `.vscode/` promises to an editor, in a local folder as in the dev container."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.containers.stack import copy_checkout
from workbench.cli.main import read_commands

ROOT = Path(__file__).resolve().parent.parent
SAVED = "hooks: this file"
BADLY_WRITTEN = """\
import os
def total(numbers:list[int])->int:
    return sum(numbrs)
"""


def read(name: str) -> dict[str, Any]:
    """Read JSON with comments."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    return found


@pytest.fixture(scope="module")
def tasks() -> dict[str, dict[str, Any]]:
    """The tasks by name."""
    return {task["label"]: task for task in read(".vscode/tasks.json")["tasks"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout of somebody else's, with this one's environment."""
    copy_checkout(tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def save(folder: Path, task: dict[str, Any], file: str) -> str:
    """Do what the editor does when a file is saved; give the output that it searches."""
    filled = [
        word.replace("${workspaceFolder}", str(folder)).replace("${file}", str(folder / file))
        for word in (task["command"], *task["args"])
    ]
    environment = {**os.environ, **task["options"]["env"]}
    return subprocess.run(
        filled, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    ).stdout


def problems(task: dict[str, Any], output: str) -> list[tuple[str, int, str]]:
    """Return file, line and message of each problem, as the editor's Problems panel does."""
    pattern = task["problemMatcher"]["pattern"]
    matches = filter(None, (re.match(pattern["regexp"], line) for line in output.splitlines()))
    return [(match[pattern["file"]], int(match[pattern["line"]]), match[pattern["message"]]) for match in matches]


def test_each_task_runs_a_command_that_exists(tasks: dict[str, dict[str, Any]]) -> None:
    commands = [task["command"] for task in tasks.values() if task["type"] == "shell"]
    assert {command.split()[0] for command in commands} == {"./dev"}
    assert {command.split()[1] for command in commands} <= read_commands().keys()
    assert {"up", "down", "status", "logs", "demo", "test", "check"} <= tasks.keys()


def test_saving_a_python_file_runs_the_projects_own_hooks(tasks: dict[str, dict[str, Any]]) -> None:
    settings = read(".vscode/settings.json")
    assert settings["triggerTaskOnSave.on"]
    assert settings["triggerTaskOnSave.tasks"] == {SAVED: ["**/*.py"]}
    assert "Gruntfuggly.triggertaskonsave" in read(".vscode/extensions.json")["recommendations"]
    assert tasks[SAVED]["command"].endswith(".venv/bin/pre-commit")


def test_a_saved_file_is_formatted_and_its_findings_are_problems(
    folder: Path, tasks: dict[str, dict[str, Any]]
) -> None:
    file = "common/total.py"
    (folder / file).write_text(BADLY_WRITTEN, encoding="utf-8")
    output = save(folder, tasks[SAVED], file)
    saved = (folder / file).read_text(encoding="utf-8")
    assert "def total(numbers: list[int]) -> int:\n" in saved
    found = problems(tasks[SAVED], output)
    assert {name for name, _, _ in found} == {file}, output
    (line,) = {line for _, line, message in found if "`numbrs`" in message}
    assert "numbrs" in saved.splitlines()[line - 1]


def test_a_clean_file_has_no_problem(folder: Path, tasks: dict[str, dict[str, Any]]) -> None:
    output = save(folder, tasks[SAVED], "common/errors.py")
    assert problems(tasks[SAVED], output) == []
    assert "Failed" not in output


def test_the_editor_uses_the_locked_tools() -> None:
    settings = read(".vscode/settings.json")
    tools = [settings["python.defaultInterpreterPath"], *settings["ruff.path"], *settings["mypy-type-checker.path"]]
    for tool in tools:
        assert os.access(tool.replace("${workspaceFolder}", str(ROOT)), os.X_OK), tool


def test_dev_container_and_local_folder_have_the_same_extensions() -> None:
    inside = read(".devcontainer/devcontainer.json")["customizations"]["vscode"]["extensions"]
    outside = read(".vscode/extensions.json")["recommendations"]
    assert set(inside) == set(outside) - {"ms-vscode-remote.remote-containers"}

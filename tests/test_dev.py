"""`./dev` sets itself up, says what is missing, and resumes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from workbench.cli.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

#: What the script itself calls; nothing else is on its PATH in these tests.
UNIX = ("sh", "cat", "cmp", "dirname", "mkdir", "rm")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a blank in its path and no environment yet."""
    root = tmp_path / "a checkout"
    root.mkdir()
    shutil.copy(ROOT / "dev", root)
    for folder in ("workbench", "requirements"):
        shutil.copytree(ROOT / folder, root / folder)
    return root


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH without any Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in UNIX:
        (folder / tool).symlink_to(shutil.which(tool) or pytest.fail(f"{tool} is missing"))
    return folder


def dev(checkout: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHON", "VIRTUAL_ENV", "PYTHONPATH"}}
    return subprocess.run(
        [checkout / "dev", *words], env=kept | environment, capture_output=True, text=True, check=False, timeout=240
    )


def test_no_python(checkout: Path, bare_path: Path) -> None:
    """A machine without Python gets one message with the fix."""
    result = dev(checkout, "status", PATH=str(bare_path))
    assert result.returncode == 1
    assert result.stderr.startswith("error: Python 3.11 is missing\n")
    assert "fix:  install it" in result.stderr


def test_no_venv(checkout: Path, bare_path: Path) -> None:
    """Debian's python3.11 comes without ensurepip."""
    python = bare_path / "python3.11"
    python.write_text(f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    result = dev(checkout, "status", PATH=str(bare_path))
    assert result.returncode == 1
    assert "error: cannot create a virtual environment" in result.stderr
    assert "fix:  apt install python3.11-venv" in result.stderr


def test_no_network(checkout: Path) -> None:
    """A missing network is named."""
    result = dev(
        checkout,
        "status",
        PIP_CONFIG_FILE=os.devnull,
        PIP_FIND_LINKS="",
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_RETRIES="0",
        PIP_NO_CACHE_DIR="1",
    )
    assert result.returncode == 1
    assert "error: uv could not be installed" in result.stderr
    assert "no network" in result.stderr
    assert "No matching distribution found for uv==" in result.stderr, "pip's own words are shown"


def test_set_up(checkout: Path) -> None:
    """A half-made environment is made whole; the next call installs nothing; a `git pull` of new locks does.

    An environment that somebody else made there is kept.
    """
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.12")
    (checkout / ".venv" / "mine.txt").write_text("mine")
    (checkout / ".run" / "uv" / "bin").mkdir(parents=True)
    first = dev(checkout, "lock", "--help")
    assert first.returncode == 0, first.stderr
    assert first.stderr == (
        "Setting up, once (a minute or two): uv\n"
        f"{checkout}/.venv was not made by ./dev; it was moved to {checkout}/.venv.before\n"
        " .venv .venv-emulators: done\n"
    )
    assert (checkout / ".venv.before" / "mine.txt").read_text() == "mine"
    second = dev(checkout, "lock", "--help")
    assert (second.returncode, second.stderr) == (0, "")
    with (checkout / "requirements" / "emulators.txt").open("a") as lock:
        lock.write("# changed\n")
    (checkout / ".venv" / "bin" / "python").unlink()
    third = dev(checkout, "lock", "--help")
    assert third.returncode == 0, third.stderr
    assert "Setting up, once" in third.stderr
    assert not (checkout / ".venv-emulators.before").exists()

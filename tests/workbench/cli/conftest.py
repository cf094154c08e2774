"""A folder that looks like a checkout, with nothing running in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workbench.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout's configuration files in a folder of their own."""
    shutil.copytree(ROOT / "compose", tmp_path / "compose")
    return tmp_path


@pytest.fixture
def load(checkout: Path) -> Callable[..., Settings]:
    """Load settings from a `.env` text and a process environment."""

    def load(text: str | bytes = "", **process: str) -> Settings:
        (checkout / ".env").write_bytes(text if isinstance(text, bytes) else text.encode())
        return Settings.load(checkout, {"PATH": "/usr/bin:/bin", **process})

    return load


@pytest.fixture
def runnable(checkout: Path, load: Callable[..., Settings]) -> Callable[..., Settings]:
    """Load settings as `load` does, of a checkout in which commands find the project's own packages."""
    for package in ("common", "workbench"):  # a link would lead what runs in there to this checkout's own state
        shutil.copytree(ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    return load

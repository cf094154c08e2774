"""Which of the user's secrets the containers' user could not read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from workbench.cli.backends.docker.backend import GID, Docker, readable
from workbench.cli.finding import WARNING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workbench.cli.settings import Settings


@pytest.mark.parametrize(("mode", "is_readable"), [(0o600, False), (0o644, True)])
def test_readable(tmp_path: Path, mode: int, is_readable: bool) -> None:
    """A secret that only its owner can read is closed to the containers."""
    file = tmp_path / "key.json"
    file.touch()
    file.chmod(mode)
    assert readable(file) is is_readable


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_readable_group(tmp_path: Path) -> None:
    """The group of the containers' user can read it too."""
    file = tmp_path / "key.json"
    file.touch()
    file.chmod(0o640)
    os.chown(file, 1000, GID)
    assert readable(file)
    os.chown(file, 1000, 1000)
    assert not readable(file)


def test_unreadable(load: Callable[..., Settings], checkout: Path) -> None:
    """Secrets that the containers cannot read are named, with the fix."""
    folder = checkout / "secrets"
    folder.mkdir()
    for name in ("README.md", "google_service_account.json.example", "google_service_account.json"):
        (folder / name).touch(mode=0o600)
    (finding,) = Docker(load())._unreadable()
    assert finding.subject == "secrets/google_service_account.json"
    assert finding.verdict == WARNING
    assert finding.fix == f"chmod o+r {folder / 'google_service_account.json'}"

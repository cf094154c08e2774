"""A container's limit counts, not the machine's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from workbench.cli.machine import free_memory

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20


def test_container_limit(tmp_path: Path) -> None:
    """A container's limit counts, and its file cache does not."""
    (tmp_path / "memory.max").write_text(f"{100 * MIB}\n")
    (tmp_path / "memory.current").write_text(f"{90 * MIB}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {30 * MIB}\nactive_file 1\n")
    assert free_memory(tmp_path) == 40 * MIB


def test_no_limit(tmp_path: Path) -> None:
    """Without a limit, free memory is the machine's."""
    (tmp_path / "memory.max").write_text("max\n")
    for folder in (tmp_path, tmp_path / "none"):
        assert 0 < free_memory(folder) <= psutil.virtual_memory().total

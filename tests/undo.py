"""Undo what a test started, whatever becomes of the test's process."""

from __future__ import annotations

import shlex
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@contextmanager
def undone(*commands: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Iterator[None]:
    """Run commands when the block ends, in a process of its own, which also notices that this one was killed.

    pytest-xdist gives a worker ten seconds after Ctrl-C, which is too short for an environment's end.
    """
    # The shell's input ends when the block does, or this process. Until then neither its words nor its folder name the
    # environment: tests look for processes that do.
    script = "; ".join(map(shlex.join, commands))
    with subprocess.Popen(
        ["sh", "-c", 'read -r _; cd "$UNDO_IN" && eval "$UNDO"'],
        cwd="/",
        env={**env, "UNDO": script, "UNDO_IN": str(cwd)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ):
        yield

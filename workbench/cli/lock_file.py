"""One command at a time starts, stops or resets an environment."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from workbench.cli.settings import Settings


@contextmanager
def exclusive(settings: Settings, console: Console) -> Iterator[None]:
    """Wait until no other command changes this environment; the kernel frees the lock when its holder ends."""
    try:
        settings.run.mkdir(exist_ok=True)
        stream = (settings.run / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        fix = f"free disk space, or change the owner of {settings.run} to your user"
        raise UserError(f"{settings.run} cannot be written", str(error), fix, "folder-unwritable") from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            console.print(f"Waiting for another ./dev (pid {stream.read().strip() or 'unknown'}) to finish ...")
            fcntl.flock(stream, fcntl.LOCK_EX)
        with suppress(OSError):  # a full disk must not keep `down` from working
            stream.truncate(0)
            stream.write(str(os.getpid()))
            stream.flush()
        yield

"""Why a parse ended without a result: the text of its file's import error.

Replaces `signal` and `DagBag.process_file` in `airflow.models.dagbag` of Airflow 3.0.6 in a parsing process, as a part
of `reload`. Stock shows nothing of a parse whose process ends by itself, is killed or takes too long: that is only in a
log. Here the process writes where it was, and its parent adds how it ended.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import traceback
from types import SimpleNamespace
from typing import IO, Any

from airflow.models import dagbag

from workbench.airflow.memory import why_it_ended

HERE = os.path.dirname(__file__)  # noqa: PTH120 compared with frames' names
_leave: Any = os._exit
#: Seconds before its end at which a parse that takes too long writes where it is.
BEFORE_TIMEOUT = 1.0
#: What faulthandler writes above frames, the deepest one first; of several threads, the main one comes last.
STACK = "(most recent call first):\n"
#: Characters of an error that are kept.
LONGEST = 20_000


def trace_into(file: IO[bytes], seconds: float) -> None:
    """Have this process write where it is when it crashes, ends by itself or is about to take too long.

    :param file: has a descriptor; written to from signal handlers too.
    :param seconds: after which the parent ends this process.
    """
    faulthandler.enable(file, all_threads=False)
    faulthandler.dump_traceback_later(max(seconds - BEFORE_TIMEOUT, seconds / 2), file=file)
    # DagBag's handler of SIGSEGV is in Python, which never runs it: the instruction that crashes is repeated for ever.
    dagbag.signal = SimpleNamespace(signal=lambda *_: None, SIGSEGV=signal.SIGSEGV)
    parse = os.getpid()

    def _exit(status: int) -> None:
        if os.getpid() == parse:  # not a process that the DAG file has forked
            faulthandler.dump_traceback(file, all_threads=False)
        _leave(status)

    os._exit = _exit  # type: ignore[assignment] # it does not return either


def keep_errors() -> None:
    """Have a file that cannot be opened or unpacked show that: stock's DagBag only writes it into its log."""
    process_file = dagbag.DagBag.process_file

    def kept(self: Any, filepath: str, *options: Any, **more: Any) -> Any:
        try:
            return process_file(self, filepath, *options, **more)
        except Exception:  # noqa: BLE001 zipfile raises many
            self.import_errors[filepath] = _traceback()
            return []

    dagbag.DagBag.process_file = kept


def trace_exception(file: IO[bytes]) -> None:
    """Write the exception that ends this process, and nothing else."""
    os._exit = _leave
    file.seek(0)
    file.truncate()
    file.write(_traceback().encode(errors="backslashreplace"))
    file.flush()


def _traceback() -> str:
    """Return the traceback of the exception at hand without this package's own frames: nothing is wrong with those."""
    kind, error, frames = sys.exc_info()
    found = traceback.TracebackException(kind, error, frames)  # type: ignore[arg-type] # there is one
    part: traceback.TracebackException | None = found
    while part is not None:
        own = [frame for frame in part.stack if os.path.dirname(frame.filename) != HERE]  # noqa: PTH120 plain text
        part.stack = traceback.StackSummary.from_list(own)
        part = part.__cause__ or part.__context__
    return "".join(found.format())


def import_error(path: str, trace: IO[bytes], reason: str) -> str:
    """Return the text of an import error: the frames that are known, and in the last line the reason."""
    trace.seek(0)
    text = trace.read().decode(errors="replace")
    if STACK not in text:
        return text or reason  # an exception says everything
    lines = [line for line in text.rpartition(STACK)[2].splitlines() if line.startswith('  File "')]
    frames = [line for line in reversed(lines) if f'"{__file__}"' not in line]
    # What comes before the DAG file is Airflow's own; faulthandler spells names in ASCII.
    file = f'  File "{path.encode("ascii", "backslashreplace").decode()}'
    first = next((i for i, line in enumerate(frames) if line.startswith(file)), max(0, len(frames) - 2))
    return "\n".join(["Traceback (most recent call last):", *frames[first:], reason])


def reason(status: int, kills: int) -> str:
    """Return how a process ended.

    :param status: its exit status, negative for a signal.
    :param kills: out-of-memory kills of the kernel while it ran.
    """
    words = why_it_ended(status, kills, " while it was parsed") or "exited with status 0 while it was parsed"
    return words if status < 0 else f"{words}: a DAG file must not end its process"


def too_long(seconds: float) -> str:
    """Return the text for a parse that was ended by its timeout."""
    return (
        f"parsing took longer than {seconds:g} s: do slow work inside tasks, "
        "or raise AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT"
    )


def printable(text: str) -> str:
    """Return a text that PostgreSQL and the UI take."""
    kept = text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}\n...\n{text[-LONGEST // 2 :]}"
    return kept.encode(errors="backslashreplace").decode().replace("\0", "\\0")

"""What a task logs in `dag.test()`: readable in the terminal, and in a file as a worker would write it.

Stock prints all messages of its supervisor, each traceback with all local variables, some lines twice, and writes no
file. Replaces, in Airflow 3.0.6, the configuration of structlog and `airflow.sdk.definitions.dag._run_task`.
"""

from __future__ import annotations

import functools
import io
import logging
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

from workbench.airflow import compat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, MutableMapping

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
#: It warns when a task reads past the end of a list of results, and the like.
CLIENT = "airflow.sdk.api.client"
AIRFLOW = str(Path("site-packages", "airflow"))


def log_file(run: Any, task_id: str, map_index: int, try_number: int) -> Path:
    """Return where the log of a try is, laid out as a worker's."""
    from airflow.configuration import conf

    mapped = [f"map_index={map_index}"] if map_index >= 0 else []
    base = Path(conf.get("logging", "base_log_folder")).expanduser()
    folder = base.joinpath(f"dag_id={run.dag_id}", f"run_id={run.run_id}", f"task_id={task_id}", *mapped)
    return folder / f"attempt={try_number}.log"


def quieten() -> None:
    """Log once what concerns the DAG, and leave out what does not."""
    if not compat.supported("debug_logs"):
        return
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.CallsiteParameterAdder([structlog.processors.CallsiteParameter.PATHNAME]),
            _leave_out,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event=0
            ),
        ],
    )
    logging.getLogger("airflow").setLevel(logging.WARNING)
    logging.getLogger("airflow.task").setLevel(logging.INFO)
    for name in ("alembic", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # `dag.test()` adds a handler of its own where there is none, beside the one that every record reaches anyway.
    silent = logging.StreamHandler(io.StringIO())
    silent.setLevel(logging.CRITICAL + 1)
    logging.getLogger("airflow.task").addHandler(silent)


def _leave_out(_logger: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what Airflow's own modules log of themselves, except warnings."""
    import structlog

    by_airflow = AIRFLOW in event.pop("pathname", "")
    if by_airflow and (level in {"debug", "info"} or event.get("logger_name", event.get("logger")) == CLIENT):
        raise structlog.DropEvent
    return event


def install() -> None:
    """Have each try write a file, with its callbacks and its trigger."""
    if not compat.supported("debug_logs"):
        return
    from airflow.sdk.definitions import dag as module

    stock = module._run_task  # noqa: SLF001 the one place that all of a try passes
    if hasattr(stock, "__wrapped__"):
        return

    @functools.wraps(stock)
    def run_task(*, ti: Any, run_triggerer: bool = False) -> Any:
        file = log_file(ti, ti.task_id, ti.map_index, ti.try_number)
        file.parent.mkdir(parents=True, exist_ok=True)
        name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
        print(f"--- {name}, try {ti.try_number}", flush=True)
        with file.open("a", encoding="utf-8") as log, _copied_to(log):
            return stock(ti=ti, run_triggerer=run_triggerer)

    module._run_task = run_task  # noqa: SLF001 as above


@contextmanager
def _copied_to(log: IO[str]) -> Iterator[None]:
    """Write what goes to the terminal to a file as well."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Tee(sys.stdout, log), Tee(sys.stderr, log)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class Tee:
    """A stream that also writes to another.

    :param stream: the terminal, of which it has everything else.
    """

    def __init__(self, stream: TextIO, log: IO[str]) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        """Write to both."""
        self._log.write(_COLOUR.sub("", text))
        return self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write to both."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Flush both."""
        if not self._log.closed:
            self._log.flush()
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        """Return what the terminal has."""
        return getattr(self._stream, name)

"""DAG files that Airflow could not import, read from its database: that needs no healthy api-server."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.cli.backends.protocol import Backend

_LINE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


@dataclass(frozen=True)
class ImportError_:  # noqa: N801 the plain name is Python's own
    """One broken DAG file.

    :ivar file: relative to the checkout.
    :ivar line: the deepest line of the checkout's own code in the traceback; None where none is named.
    :ivar message: the traceback's last line.
    """

    file: str
    line: int | None
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return asdict(self)


def import_errors(backend: Backend) -> tuple[ImportError_, ...]:
    """Return the broken files, by name; none where there is no database yet."""
    rows = backend.query("SELECT filename, stacktrace FROM import_error ORDER BY filename")
    return tuple(parse(row["filename"], row["stacktrace"], backend.root) for row in rows)


def parse(filename: str, stacktrace: str, root: Path) -> ImportError_:
    """Return the file and line that a person has to fix.

    :param root: the checkout where Airflow runs.
    """
    own = [
        (Path(match["file"]), int(match["line"]))
        for match in _LINE.finditer(stacktrace)
        if Path(match["file"]).is_relative_to(root) and ".venv" not in Path(match["file"]).parts
    ]
    file, line = own[-1] if own else (root / "dags" / filename, None)
    last = stacktrace.strip().splitlines()[-1:] or ["Airflow recorded no reason"]
    return ImportError_(str(file.relative_to(root)), line, last[0].strip())

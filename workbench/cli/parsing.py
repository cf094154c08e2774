"""When each DAG was last parsed, and how edits are noticed; both from Airflow's database."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.cli.backends.protocol import Backend

DAGS = "SELECT dag_id, relative_fileloc, last_parsed_time FROM dag WHERE NOT is_stale ORDER BY dag_id"
#: Written by `workbench/airflow/reload.py`; where Airflow runs without it, the table is missing.
WATCHER = "SELECT mode, reason FROM workbench_watcher"
EVENTS, AIRFLOWS_OWN = "events", "intervals"


@dataclass(frozen=True)
class Parsed:
    """One DAG.

    :ivar file: relative to the checkout.
    :ivar parsed_at: when its file was last parsed, in UTC.
    """

    dag_id: str
    file: str
    parsed_at: datetime


@dataclass(frozen=True)
class Parsing:
    """How the dag-processor keeps up with edits.

    :ivar edits_noticed_by: `events`, `polling`, or `intervals` where only Airflow itself reads the files.
    """

    dags: tuple[Parsed, ...] = ()
    edits_noticed_by: str = AIRFLOWS_OWN
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        dags = [asdict(dag) | {"parsed_at": dag.parsed_at.isoformat()} for dag in self.dags]
        return {"edits_noticed_by": self.edits_noticed_by, "reason": self.reason, "dags": dags}

    def to_text(self) -> Iterator[Table | str]:
        """Yield its lines for a person."""
        table = Table("DAG", "last parsed", "file", box=None, header_style="dim")
        now = datetime.now(UTC)
        for dag in self.dags:
            table.add_row(dag.dag_id, ago((now - dag.parsed_at).total_seconds()), dag.file)
        yield table
        if self.edits_noticed_by != EVENTS:
            yield f"[yellow]edits are noticed by {self.edits_noticed_by}[/]  {self.reason}".rstrip()


def parsing(backend: Backend) -> Parsing:
    """Return what the database says; nothing where there is none yet."""
    dags = tuple(
        Parsed(row["dag_id"], f"dags/{row['relative_fileloc']}", datetime.fromisoformat(row["last_parsed_time"]))
        for row in backend.query(DAGS)
        if row["last_parsed_time"]
    )
    watcher = backend.query(WATCHER)
    return Parsing(dags, watcher[0]["mode"], watcher[0]["reason"]) if watcher else Parsing(dags)


def ago(seconds: float) -> str:
    """Return how long ago something was."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"

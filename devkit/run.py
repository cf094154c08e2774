"""Run one DAG by `dag.test()`, in this process and in a database of its own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

from devkit import place
from devkit.errors import UserError

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from devkit.settings import Settings


@dataclass(frozen=True)
class Ran:
    """One run in the debugger's database.

    :ivar summary: a line a task: state and seconds.
    """

    dag_id: str
    run_id: str
    state: str
    summary: str

    @property
    def ok(self) -> bool:
        """Whether the run succeeded."""
        return self.state == "success"

    def to_json(self) -> dict[str, Any]:
        """Give the verdict for scripts."""
        return {"ok": self.ok, "dag_id": self.dag_id, "run_id": self.run_id, "state": self.state}

    def to_text(self, console: Console) -> None:
        """Print the summary below the tasks' own logs."""
        console.print(self.summary, markup=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    place.add_mode(parser)
    parser.add_argument("dag", metavar="DAG", help="its id, as in the UI")
    parser.add_argument("date", nargs="?", type=_date, help="logical date, YYYY-MM-DD")
    parser.add_argument("--conf", type=_object, help='parameters as JSON, such as {"partition": "2025-11-21"}')
    parser.add_argument("--slack", action="store_true", help="send failure alerts to Slack and not to the log")


def run(args: argparse.Namespace) -> Ran:
    """Find the DAG and run it; the live Airflow knows nothing of it."""
    settings = place.chosen(args).settings
    require_standins(settings)
    os.environ.update(settings.environment)
    if not args.slack:
        os.environ["AIRFLOW_ALERT_TO"] = "log"

    # Airflow is imported once its environment is set.
    from common import debug  # noqa: PLC0415

    dag = find_dag(settings, args.dag)
    done = debug.run_once(dag, args.date, args.conf)
    return Ran(done.dag_id, done.run_id, str(done.state), debug.summary(done))


def find_dag(settings: Settings, dag_id: str) -> Any:
    """Parse the DAG files and give one DAG.

    :raises UserError: where there is none of that id, naming the files that do not import and the ids that exist.
    """
    from airflow.models.dagbag import DagBag  # noqa: PLC0415 - as above

    bag = DagBag(str(settings.root / "dags"), include_examples=False)
    if dag := bag.dags.get(dag_id):
        return dag
    errors = [f"{file}: {error.strip().splitlines()[-1]}" for file, error in bag.import_errors.items()]
    raise UserError(
        f"there is no DAG {dag_id}",
        "; ".join(errors) or f"dags/ has {', '.join(sorted(bag.dags)) or 'none'}",
        "mend the file" if errors else "./dev run with one of these",
    )


def require_standins(settings: Settings) -> None:
    """Say at once that the stand-ins are down, before a task waits for them.

    :raises UserError: where a connection points at them and they do not answer.
    """
    if not any(connection.is_standin for connection in settings.connections):
        return
    try:
        httpx.get(f"{settings.standins_url}/healthz", timeout=5, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise UserError(
            "the stand-ins are not running, and connections point at them",
            f"{settings.standins_url}: {error}",
            "./dev up, or set your own connections in .env",
        ) from None


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _object(text: str) -> dict[str, Any]:
    return dict(json.loads(text))

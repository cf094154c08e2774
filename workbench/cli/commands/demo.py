"""Run the whole pipeline on sample data, and check every number."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from workbench.cli.backends import choice
from workbench.cli.bring_up import bring_up
from workbench.cli.sample import marts, sources
from workbench.cli.sample.runs import Pipeline, Run
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.cli.settings import Settings

GROUP = "run"


@dataclass(frozen=True)
class Check:
    """One number of the warehouse beside the same number of the sources."""

    name: str
    found: int
    expected: int

    @property
    def ok(self) -> bool:
        """Whether they are equal."""
        return self.found == self.expected


@dataclass(frozen=True)
class Demonstrated:
    """What one demo did.

    :ivar runs: in order of cause.
    :ivar unchanged: whether the marts hold what they held before; None where they did not exist.
    """

    runs: tuple[Run, ...]
    source_rows: dict[str, int]
    marts: dict[str, int]
    checks: tuple[Check, ...]
    unchanged: bool | None
    seconds: float
    links: dict[str, str]

    @property
    def ok(self) -> bool:
        """Whether every run succeeded and every number agrees."""
        return all(run.state == "success" for run in self.runs) and all(check.ok for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return runs, marts and checks for scripts."""
        return {
            "ok": self.ok,
            "seconds": round(self.seconds, 1),
            "runs": [
                {
                    "dag_id": run.dag_id,
                    "run_id": run.run_id,
                    "state": run.state,
                    "day": run.day,
                    "seconds": run.seconds,
                    "triggered_by": run.triggered_by,
                    "rows": run.rows,
                }
                for run in self.runs
            ],
            "source_rows": self.source_rows,
            "marts": self.marts,
            "checks": [{"name": c.name, "found": c.found, "expected": c.expected, "ok": c.ok} for c in self.checks],
            "unchanged": self.unchanged,
        }

    def to_text(self, console: Console) -> None:
        """Print the runs, the checks and where to go next."""
        chain = Table(title="DAG runs, each after what triggered it")
        for heading in ("DAG run", "state", "seconds", "rows", "triggered by"):
            chain.add_column(heading, no_wrap=heading != "triggered by")
        for run in self.runs:
            name = f"{run.dag_id} {run.day}" if run.day else run.dag_id
            chain.add_row(
                name, _coloured(run.state), _number(run.seconds), _number(run.rows), _grouped(run.triggered_by)
            )
        console.print(chain)
        table = Table("check", "warehouse", "sources", "", title="Numbers in the warehouse and in the sources")
        for check in self.checks:
            table.add_row(
                check.name, f"{check.found:,}", f"{check.expected:,}", "[green]ok" if check.ok else "[red]differs"
            )
        console.print(table)
        if self.unchanged is not None:
            console.print("No row of the marts changed." if self.unchanged else "[yellow]Rows of the marts changed.")
        verdict = "[green]All numbers agree" if self.ok else "[red]A number differs: see above"
        console.print(f"{verdict}[/], {self.seconds:.0f} s.\n\nWhere to go next:")
        for what, where in self.links.items():
            console.print(f"  {what:<20} {where}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    parser.add_argument("--scale", type=_positive, metavar="N", help="first make the sample data N times as large")
    parser.add_argument(
        "--timeout", type=_positive, default=900, metavar="S", help="stop after S seconds (default: 900)"
    )
    parser.add_argument(
        "--real",
        action="store_true",
        help="run even if a connection is real; the demo then writes to that system",
    )


def run(args: argparse.Namespace) -> Demonstrated:
    """Start what is not running, run the DAGs, compare."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    backend = choice.choose(args, starting=True)
    settings = backend.settings
    refuse_real_connections(settings, allowed=args.real)
    environment = bring_up(backend, console)
    began = time.monotonic()
    days = sample_days(settings.environment)
    if args.scale:
        console.print(f"Creating sample data of {args.scale} times the size ...")
        backend.make_sample(days, args.scale)
    # Airflow's hooks resolve connections from the environment, and warn of what nobody here can fix.
    os.environ.update(backend.outside() | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"})

    def report(run: Run) -> None:
        rows = f"  {run.rows:,} rows" if run.rows is not None else ""
        console.print(f"{time.monotonic() - began:6.1f} s  {run.dag_id} {run.day or ''}  {_coloured(run.state)}{rows}")

    before = marts.read()
    pipeline = Pipeline(environment.api, days, report)
    pipeline.start()
    console.print(f"Started the ingest of {len(days)} days; the events of each stage trigger the next one.")
    runs = tuple(pipeline.follow(args.timeout))
    if failed := [run for run in runs if run.state == "failed"]:
        raise UserError(
            f"{len(failed)} of {len(runs)} DAG runs failed",
            "; ".join(f"{run.dag_id} {run.day or run.run_id}" for run in failed),
            f"see why at {settings.ui_url}/dags/{failed[0].dag_id}/runs/{failed[0].run_id} "
            f"or in the Slack messages at {settings.emulators_url}",
            "runs-failed",
        )
    truth, after = sources.read(settings.environment, days), marts.read()
    return Demonstrated(
        runs=runs,
        source_rows=truth.rows(),
        marts=after.rows,
        checks=tuple(compare(truth, after)),
        unchanged=before.digests == after.digests if before.exist else None,
        seconds=time.monotonic() - began,
        links=links(settings),
    )


def links(settings: Settings) -> dict[str, str]:
    """Return what a person may open next."""
    return {
        "Airflow's UI": f"{settings.ui_url}  ({settings.ui_user}, password in {settings.password_file})",
        "assets and lineage": f"{settings.ui_url}/assets",
        "the emulators": f"{settings.emulators_url}  (objects, tables, sheets, Slack messages)",
        "files to edit": "dags/telecoms/*.py, dags/telecoms/sql/*.sql, common/",
    }


def compare(truth: sources.Sources, found: marts.Marts) -> list[Check]:
    """Return each number of the warehouse with the same number of the sources."""
    checks = [Check(f"{name} loaded", found.loaded.get(name, 0), rows) for name, rows in truth.rows().items()]
    checks += [Check(name, found.rows.get(name, 0), rows) for name, rows in truth.marts().items()]
    return [*checks, Check("complaints of unknown agents", found.without_agent, truth.without_agent())]


def sample_days(environment: Mapping[str, str]) -> tuple[date, ...]:
    """Return the days from TELECOMS_START_DATE to TELECOMS_END_DATE, both included."""
    first, last = environment["TELECOMS_START_DATE"], environment.get("TELECOMS_END_DATE", "")
    try:
        begin, end = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as error:
        raise UserError(
            "the demo's first or last day is not a valid date",
            f"TELECOMS_START_DATE={first} TELECOMS_END_DATE={last}: {error}",
            "write them as YYYY-MM-DD in .env, or remove them",
            "date-invalid",
        ) from None
    return tuple(begin + timedelta(days=n) for n in range((end - begin).days + 1))


def refuse_real_connections(settings: Settings, *, allowed: bool) -> None:
    """Keep the demo from writing to a real lake or warehouse unasked.

    :raises UserError: where a connection is real and that is not allowed.
    """
    real = [c.conn_id for c in settings.connections if not c.is_emulator]
    if real and not allowed:
        raise UserError(
            "the demo would write sample data to real systems",
            f"{', '.join(real)} {'does' if len(real) == 1 else 'do'} not point at the emulators",
            "remove the connection from .env for the demo, or ./dev demo --real",
            "connection-real",
        )


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _coloured(state: str) -> str:
    return f"[{ {'success': 'green', 'failed': 'red', 'skipped': 'yellow'}.get(state, 'default') }]{state}[/]"


def _grouped(events: tuple[str, ...]) -> str:
    """Return one line for each asset: its partition, or the number of its partitions."""
    assets: dict[str, set[str]] = {}
    for event in events:
        asset, _, partition = event.partition(" ")
        assets.setdefault(asset, set()).add(partition)
    return "\n".join(
        f"{asset} x {len(partitions)}" if len(partitions) > 1 else f"{asset} {partitions.pop()}".rstrip()
        for asset, partitions in sorted(assets.items())
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.1f}"

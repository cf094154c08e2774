"""Run a DAG and every DAG that its asset events wake, in this process and one after the other."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devkit import place
from devkit.chain.conditions import AssetKey, Event, Queue, Wake
from devkit.chain.dags import DagFiles, read_dags
from devkit.chain.graph import Graph
from devkit.chain.plan import plan
from devkit.chain.report import Chained
from devkit.chain.waves import Followed, announce, follow
from devkit.errors import UserError
from devkit.run import require_standins

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping

Pretended = list[tuple[AssetKey, dict[str, Any]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    place.add_mode(parser)
    parser.add_argument("dag", metavar="DAG", nargs="?", help="the first one, by its id")
    parser.add_argument("--file", type=Path, help="the DAG in this file instead")
    parser.add_argument("--date", type=_date, help="the first DAG's logical date, YYYY-MM-DD")
    parser.add_argument("--conf", type=_object, help="the first DAG's parameters as JSON")
    parser.add_argument(
        "--event",
        nargs="+",
        action="append",
        default=[],
        metavar=("ASSET", "KEY=VALUE"),
        help="pretend that this asset was updated, with this extra; can be repeated, and needs no DAG",
    )
    parser.add_argument("--only", action="append", metavar="DAG", help="run no other woken DAG; can be repeated")
    parser.add_argument("--skip", action="append", metavar="DAG", help="do not run this one when it is woken")
    parser.add_argument("--dry-run", action="store_true", help="show what wakes what and run nothing")
    parser.add_argument("--graph", type=Path, metavar="FILE", help="draw the chain into an .html or .svg file")
    parser.add_argument("--slack", action="store_true", help="send failure alerts to Slack and not to the log")


def run(args: argparse.Namespace) -> Chained:
    """Read the DAG files, follow the chain for real or as a plan, draw it."""
    settings = place.chosen(args).settings
    os.environ.update(settings.environment)
    if not args.slack:
        os.environ["AIRFLOW_ALERT_TO"] = "log"
    files = read_dags(settings.root / "dags")
    graph = Graph(files.dags)
    first = first_dag(args, files)
    pretended = [pretended_event(graph, *words) for words in args.event]
    may_run = choice(files, args.only, args.skip)
    if args.dry_run:
        followed = planned(graph, first, pretended, may_run)
    else:
        require_standins(settings)
        followed = ran(graph, first, pretended, may_run, date=args.date, conf=args.conf)
    roots = [step.dag_id for step in followed.steps if step.wave == 0]
    chained = Chained(graph, tuple(roots), followed, files.errors, planned=args.dry_run)
    if args.graph:
        chained.draw(args.graph)
    return chained


def planned(graph: Graph, first: str | None, pretended: Pretended, may_run: Callable[[str], bool]) -> Followed:
    """Follow what the DAGs declare; without a DAG and an event, from every DAG that nothing else wakes."""
    queue = Queue(graph.conditions())
    roots = [Wake(dag_id, (), ()) for dag_id in graph.roots()]
    begin = start(queue, first, (Event(asset, extra) for asset, extra in pretended)) if first or pretended else roots
    return plan(graph.dags, begin, queue, may_run)


def ran(
    graph: Graph,
    first: str | None,
    pretended: Pretended,
    may_run: Callable[[str], bool],
    *,
    date: datetime | None,
    conf: dict[str, Any] | None,
) -> Followed:
    """Follow the DAGs' real runs in the debugger's database."""
    from devkit.chain.live import Live  # noqa: PLC0415  # Airflow is imported once its environment is set

    if first is None and not pretended:
        raise UserError("a chain begins with a DAG or an event", "neither is given", "./dev chain DAG, or --dry-run")
    live = Live(graph.dags, date, conf)
    live.prepare({*graph.in_chains(), *filter(None, [first])})
    queue = Queue(graph.conditions())
    begin = start(queue, first, (live.pretend(asset, extra) for asset, extra in pretended))
    return follow(begin, queue, live.run, may_run)


def start(queue: Queue, first: str | None, events: Iterable[Event]) -> list[Wake]:
    """Let the pretended events come, and give the first DAG, or those that the events wake."""
    announce(queue, events)
    return [queue.take(first)] if first else queue.woken()


def first_dag(args: argparse.Namespace, files: DagFiles) -> str | None:
    """Find the DAG that is asked for; None where events alone begin the chain.

    :raises UserError: where there is none, or several.
    """
    if args.dag and args.file:
        raise UserError("a chain begins with one DAG", "both DAG and --file are given", "leave one out")
    if args.file:
        file = args.file.resolve()
        there = [dag.dag_id for dag in files.dags.values() if dag.file.resolve() == file]
        if len(there) != 1:
            raise UserError(
                f"{args.file} does not say which DAG",
                files.errors.get(str(file)) or f"it defines {', '.join(there) or 'none'}",
                f"./dev chain {there[0]}" if there else "open a DAG file",
            )
        return there[0]
    if not args.dag and (args.date or args.conf):
        raise UserError("--date and --conf are the first DAG's", "no DAG is given", "./dev chain DAG --date ...")
    return known(args.dag, files) if args.dag else None


def choice(files: DagFiles, only: list[str] | None, skip: list[str] | None) -> Callable[[str], bool]:
    """Give whether a woken DAG may run."""
    wanted = {known(dag_id, files) for dag_id in only} if only else set(files.dags)
    unwanted = {known(dag_id, files) for dag_id in skip or []}
    return (wanted - unwanted).__contains__


def known(dag_id: str, files: DagFiles) -> str:
    """Give the id of a DAG that exists.

    :raises UserError: naming the files that do not import and the ids that exist.
    """
    if dag_id in files.dags:
        return dag_id
    errors = [f"{file}: {error}" for file, error in files.errors.items()]
    raise UserError(
        f"there is no DAG {dag_id}",
        "; ".join(errors) or f"dags/ has {', '.join(files.dags) or 'none'}",
        "mend the file" if errors else "./dev chain with one of these",
    )


def pretended_event(graph: Graph, name: str, *pairs: str) -> tuple[AssetKey, dict[str, Any]]:
    """Find the asset and read what the event says; values are JSON, or else text.

    :raises UserError: where no DAG knows the asset, or a pair is none.
    """
    if wrong := [pair for pair in pairs if "=" not in pair]:
        raise UserError(
            f"--event {name} {wrong[0]}",
            "what follows an event's asset is KEY=VALUE",
            f"write DAG before --event, or {wrong[0]}=...",
        )
    assets: Mapping[str, AssetKey] = {text: key for key in graph.assets() for text in (key.uri, key.name)}
    if name not in assets:
        raise UserError(
            f"no DAG knows an asset {name}",
            f"there are {', '.join(key.name for key in graph.assets()) or 'none'}",
            "--event with one of these, by name or URI",
        )
    extra = dict(pair.split("=", 1) for pair in pairs)
    return assets[name], {key: _value(text) for key, text in extra.items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _object(text: str) -> dict[str, Any]:
    return dict(json.loads(text))

"""Read what a chain is asked for, and check it against the DAG files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.chain.conditions import AssetEvent, AssetKey, EventQueue, TriggeredDag
from workbench.chain.levels import ChainResult, plan
from workbench.debug import arguments
from workbench.debug.arguments import Request
from workbench.debug.resolve import choose, existing
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from workbench.chain.dags import DagFiles, Graph


@dataclass(frozen=True)
class ChainRequest:
    """What a chain is asked for.

    :ivar first: the first DAG and what its run is given; its events are queued for every DAG.
    :ivar only: the triggered DAGs that may run; empty means all.
    :ivar skip: triggered DAGs that do not run.
    """

    first: Request = field(default_factory=Request)
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """Return the command line that asks for the same."""
        choice = [("--only", dag_id) for dag_id in self.only] + [("--skip", dag_id) for dag_id in self.skip]
        return [*arguments.words(self.first), *(word for pair in choice for word in pair)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `read` reads."""
    arguments.add_arguments(parser)
    parser.add_argument(
        "--date", metavar="YYYY-MM-DD", help="the first DAG's logical date; the same as a date after its id"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="DAG",
        help="run only this one of the triggered DAGs; can be repeated",
    )
    parser.add_argument(
        "--skip",
        action="append",
        default=[],
        metavar="DAG",
        help="do not run this DAG if it is triggered; can be repeated",
    )


def read(parser: argparse.ArgumentParser, args: argparse.Namespace) -> ChainRequest:
    """Return the request of a command line; exits with 2 where it contradicts itself."""
    if args.date:
        args.words = [*args.words, args.date]
    first = arguments.request(parser, args, needs_dag=False)
    return ChainRequest(first, tuple(args.only), tuple(args.skip))


@dataclass(frozen=True)
class ResolvedRequest:
    """A request whose names all exist.

    :ivar dag_id: the first DAG; None where events alone begin the chain, or a plan shows everything.
    :ivar events: assets, each with its event's `extra`.
    :ivar allowed: the DAGs that may run, the first one included.
    """

    graph: Graph
    dag_id: str | None
    events: tuple[tuple[AssetKey, dict[str, Any]], ...]
    allowed: frozenset[str]

    def may_run(self, dag_id: str) -> bool:
        """Whether a DAG may run."""
        return dag_id in self.allowed

    def first_level(self, queue: EventQueue, events: Iterable[AssetEvent]) -> list[TriggeredDag]:
        """Queue the pretended events; return the first DAG, or without one those that the events trigger."""
        queue.add(events)
        return [queue.take(self.dag_id)] if self.dag_id else queue.take_triggered()

    def plan(self) -> ChainResult:
        """Plan the chain; without a DAG and an event, from every DAG that no other triggers."""
        queue = EventQueue(self.graph.conditions())
        if self.dag_id or self.events:
            first = self.first_level(queue, (AssetEvent(asset, extra) for asset, extra in self.events))
        else:
            first = [TriggeredDag(dag_id) for dag_id in self.graph.roots()]
        return plan(self.graph, first, queue, self.may_run)


def resolve(request: ChainRequest, files: DagFiles, graph: Graph) -> ResolvedRequest:
    """Check a request against the DAG files.

    :raises UserError: where a DAG or an asset does not exist, or the request contradicts itself.
    """
    first = request.first
    dag_id = first.dag_id
    if first.file:
        file = first.file.resolve()
        defined = [dag.dag_id for dag in files.dags.values() if dag.file.resolve() == file]
        if not defined:
            raise unknown(f"{existing(first.file).name} defines no DAG", files)
        dag_id = dag_id or choose(defined, file)
    for named in filter(None, [dag_id, *request.only, *request.skip]):
        if named not in files.dags:
            raise unknown(f"DAG {named} does not exist", files)
    if first.date and first.events:
        raise UserError(
            "a date and --event cannot be combined",
            "a run that events trigger has no logical date",
            "remove one of the two",
        )
    if not dag_id and (first.date or first.conf or first.params or first.tasks):
        raise UserError(
            "a date, params and tasks need a first DAG",
            "no DAG is given",
            "run ./dev chain DAG with the same options",
        )
    allowed = (frozenset(request.only or files.dags) - frozenset(request.skip)) | ({dag_id} if dag_id else set())
    return ResolvedRequest(
        graph, dag_id, tuple((find_asset(graph, name), extra) for name, extra in first.events), allowed
    )


def unknown(what: str, files: DagFiles) -> UserError:
    """Return the error for a missing DAG; it names the files that do not import, or else the DAGs that exist."""
    errors = [f"{file}: {error}" for file, error in files.errors.items()]
    return UserError(
        what,
        "; ".join(errors) or f"DAGs in dags/: {', '.join(files.dags) or 'none'}",
        "fix the file" if errors else "use one of these",
    )


def find_asset(graph: Graph, name: str) -> AssetKey:
    """Return the asset of a name or URI.

    :raises UserError: where no DAG mentions it.
    """
    assets = {text: key for key in graph.assets() for text in (key.uri, key.name)}
    if name not in assets:
        raise UserError(
            f"asset {name} does not exist",
            f"the DAGs use these assets: {', '.join(key.name for key in graph.assets()) or 'none'}",
            "use one of these with --event, by name or URI",
        )
    return assets[name]

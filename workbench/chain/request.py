"""What a chain is asked for, and where in the graph it begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.chain.conditions import AssetKey, Event, Queue, Wake
from workbench.chain.levels import Followed, announce
from workbench.chain.plan import plan
from workbench.debug import arguments
from workbench.debug.arguments import Request
from workbench.debug.find import choose, existing
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from workbench.chain.dags import DagFiles
    from workbench.chain.graph import Graph


@dataclass(frozen=True)
class ChainRequest:
    """One chain.

    :ivar first: the first DAG and what it is given; its events come for every DAG.
    :ivar only: of the woken DAGs run no others; none is no limit.
    :ivar skip: woken DAGs that do not run.
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
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="the first DAG's logical date, as after its id")
    parser.add_argument("--only", action="append", default=[], metavar="DAG", help="run no other woken DAG")
    parser.add_argument("--skip", action="append", default=[], metavar="DAG", help="do not run this one when woken")


def read(parser: argparse.ArgumentParser, args: argparse.Namespace) -> ChainRequest:
    """Put together what was asked; ends with 2 where it makes no sense."""
    if args.date:
        args.words = [*args.words, args.date]
    first = arguments.request(parser, args, needs_dag=False)
    return ChainRequest(first, tuple(args.only), tuple(args.skip))


@dataclass(frozen=True)
class Beginning:
    """A request that fits the DAG files.

    :ivar dag_id: the first DAG; None where events alone begin the chain, or a plan shows everything.
    :ivar events: assets, each with what its event says.
    :ivar allowed: the DAGs that may run; the first one always may.
    """

    graph: Graph
    dag_id: str | None
    events: tuple[tuple[AssetKey, dict[str, Any]], ...]
    allowed: frozenset[str]

    def may_run(self, dag_id: str) -> bool:
        """Whether a DAG may run."""
        return dag_id in self.allowed

    def wakes(self, queue: Queue, events: Iterable[Event]) -> list[Wake]:
        """Let the pretended events come, and give the first DAG, or those that the events wake."""
        announce(queue, events)
        return [queue.take(self.dag_id)] if self.dag_id else queue.woken()

    def plan(self) -> Followed:
        """Follow what the DAGs declare; without a DAG and an event, from every DAG that nothing else wakes."""
        queue = Queue(self.graph.conditions())
        if self.dag_id or self.events:
            begin = self.wakes(queue, (Event(asset, extra) for asset, extra in self.events))
        else:
            begin = [Wake(dag_id, (), ()) for dag_id in self.graph.roots()]
        return plan(self.graph.dags, begin, queue, self.may_run)


def begin(request: ChainRequest, files: DagFiles, graph: Graph) -> Beginning:
    """Hold what is asked for against what there is.

    :raises UserError: where a DAG or an asset does not exist, or the request contradicts itself.
    """
    first = request.first
    dag_id = first.dag_id
    if first.file:
        file = first.file.resolve()
        there = [dag.dag_id for dag in files.dags.values() if dag.file.resolve() == file]
        if not there:
            raise unknown(f"in {existing(first.file).name}", files)
        dag_id = dag_id or choose(there, file)
    for named in filter(None, [dag_id, *request.only, *request.skip]):
        if named not in files.dags:
            raise unknown(named, files)
    if first.date and first.events:
        raise UserError(
            "a run that events trigger has no logical date", "a date and --event are both given", "leave one out"
        )
    if not dag_id and (first.date or first.conf or first.params or first.tasks):
        raise UserError(
            "a date, params and tasks are the first DAG's", "no DAG is named", "./dev chain DAG, with the same"
        )
    allowed = (frozenset(request.only or files.dags) - frozenset(request.skip)) | ({dag_id} if dag_id else set())
    return Beginning(graph, dag_id, tuple((asset(graph, name), extra) for name, extra in first.events), allowed)


def unknown(dag_id: str, files: DagFiles) -> UserError:
    """Name the files that do not import and the ids that exist."""
    errors = [f"{file}: {error}" for file, error in files.errors.items()]
    return UserError(
        f"there is no DAG {dag_id}",
        "; ".join(errors) or f"dags/ has {', '.join(files.dags) or 'none'}",
        "fix the file" if errors else "./dev chain with one of these",
    )


def asset(graph: Graph, name: str) -> AssetKey:
    """Find an asset by its name or URI.

    :raises UserError: where no DAG knows it.
    """
    assets = {text: key for key in graph.assets() for text in (key.uri, key.name)}
    if name not in assets:
        raise UserError(
            f"no DAG knows an asset {name}",
            f"there are {', '.join(key.name for key in graph.assets()) or 'none'}",
            "--event with one of these, by name or URI",
        )
    return assets[name]

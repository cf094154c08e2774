"""The graph of DAGs and assets as a tree for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.chain.graph import Graph


def draw(graph: Graph, roots: Sequence[str]) -> Tree:
    """Draw what each root DAG wakes, by way of which assets; what was drawn already is only named."""
    tree = Tree("", hide_root=True)
    drawn: set[str] = set()
    for root in roots:
        _add(tree, graph, root, (), drawn)
    return tree


def _add(branch: Tree, graph: Graph, dag_id: str, above: tuple[str, ...], drawn: set[str]) -> None:
    dag = graph.dags[dag_id]
    if dag_id in above:
        branch.add(f"[bold red]{escape(dag_id)}[/]  [red]again: a cycle[/]")
        return
    if dag_id in drawn:
        branch.add(f"[bold]{escape(dag_id)}[/]  [dim]see above[/]")
        return
    drawn.add(dag_id)
    node = branch.add(f"[bold]{escape(dag_id)}[/]  [dim]{escape(dag.when)}[/]")
    for asset in graph.written_by(dag_id):
        leaf = node.add(f"[cyan]{escape(asset.label)}[/]")
        for consumer in graph.read_by(asset):
            _add(leaf, graph, consumer, (*above, dag_id), drawn)

"""The graph of DAGs and the assets between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.chain.conditions import AssetKey, Condition, Term
from workbench.chain.plan import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workbench.chain.dags import Dag


@dataclass(frozen=True)
class AssetNode:
    """An asset, or an alias that stands for whichever assets a task writes through it."""

    kind: str
    key: AssetKey

    @property
    def label(self) -> str:
        """Return it as people call it."""
        return f"alias {self.key.name}" if self.kind == "alias" else self.key.name


class Graph:
    """Which DAG writes which assets, and which DAGs these concern.

    :param dags: all DAGs, by id.
    """

    def __init__(self, dags: Mapping[str, Dag]) -> None:
        self.dags = dags
        self._written = {dag_id: self._nodes(dag.writes) for dag_id, dag in dags.items()}
        self._read = {dag_id: self._nodes(dag.reads) for dag_id, dag in dags.items()}

    def conditions(self) -> dict[str, Condition]:
        """Return what wakes each DAG that events wake."""
        return {dag.dag_id: dag.condition for dag in self.dags.values() if dag.condition}

    def assets(self) -> list[AssetKey]:
        """Return every asset, by name."""
        nodes = {node for nodes in (*self._written.values(), *self._read.values()) for node in nodes}
        return sorted(node.key for node in nodes if node.kind == "asset")

    def node(self, term: Term) -> AssetNode:
        """Return the node of a term; a reference is the asset that it refers to."""
        if term.kind == "alias":
            return AssetNode("alias", AssetKey(term.name, ""))
        return AssetNode("asset", resolve(term, self.dags))

    def written_by(self, dag_id: str) -> tuple[AssetNode, ...]:
        """Return what a DAG's tasks declare as outlets."""
        return self._written[dag_id]

    def read_of(self, dag_id: str) -> tuple[AssetNode, ...]:
        """Return the assets in a DAG's condition."""
        return self._read[dag_id]

    def read_by(self, node: AssetNode) -> list[str]:
        """Return the DAGs that have this asset in their condition."""
        return [dag_id for dag_id, nodes in self._read.items() if node in nodes]

    def writers(self, node: AssetNode) -> list[str]:
        """Return the DAGs that write this asset."""
        return [dag_id for dag_id, nodes in self._written.items() if node in nodes]

    def in_chains(self) -> list[str]:
        """Return the DAGs that write or read any asset."""
        return [dag_id for dag_id in self.dags if self._written[dag_id] or self._read[dag_id]]

    def roots(self) -> list[str]:
        """Return DAGs from which all others are reached: those that no other wakes, then one of each cycle."""
        order = sorted(self.in_chains(), key=lambda dag_id: any(map(self.writers, self._read[dag_id])))
        found: list[str] = []
        reached: set[str] = set()
        for dag_id in order:
            if dag_id not in reached:
                found.append(dag_id)
                reached |= self.reached_from([dag_id])
        return found

    def reached_from(self, dag_ids: Iterable[str]) -> set[str]:
        """Return these DAGs and all that their assets concern, directly or through others."""
        reached: set[str] = set()
        todo = list(dag_ids)
        while todo:
            dag_id = todo.pop()
            if dag_id not in reached:
                reached.add(dag_id)
                todo += [reader for node in self._written[dag_id] for reader in self.read_by(node)]
        return reached

    def _nodes(self, terms: Iterable[Term]) -> tuple[AssetNode, ...]:
        return tuple(dict.fromkeys(map(self.node, terms)))

"""Read the DAG files: which DAG writes which assets, what triggers it, and the graph that these make."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.chain.conditions import AssetKey, Condition, Group, Term, terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Dag:
    """What a chain needs to know of a DAG.

    :ivar schedule: the part by time, such as `0 0 * * *`; empty where there is none.
    :ivar condition: the part by assets; None where there is none.
    :ivar outlets: those of all its tasks.
    :ivar airflow_dag: Airflow's own object.
    """

    dag_id: str
    file: Path
    schedule: str = ""
    condition: Condition | None = None
    outlets: tuple[Term, ...] = ()
    airflow_dag: Any = field(default=None, repr=False, compare=False)

    @property
    def reads(self) -> tuple[Term, ...]:
        """Every term of its condition."""
        return tuple(terms(self.condition)) if self.condition else ()

    @property
    def when(self) -> str:
        """What starts it, in words."""
        return "; or by time, ".join(filter(None, (str(self.condition or ""), self.schedule))) or "by hand only"


@dataclass(frozen=True)
class DagFiles:
    """What the DAG files define.

    :ivar errors: file -> the last line of its import error.
    """

    dags: dict[str, Dag]
    errors: dict[str, str]


@dataclass(frozen=True)
class AssetNode:
    """An asset, or an alias that stands for the assets that a task writes through it."""

    kind: str
    key: AssetKey

    @property
    def label(self) -> str:
        """The name that people use."""
        return f"alias {self.key.name}" if self.kind == "alias" else self.key.name


class Graph:
    """DAGs and the assets between them, as the DAG files declare them.

    :param dags: all DAGs, by id.
    """

    def __init__(self, dags: Mapping[str, Dag]) -> None:
        self.dags = dags
        self._written = {dag_id: self._nodes(dag.outlets) for dag_id, dag in dags.items()}
        self._read = {dag_id: self._nodes(dag.reads) for dag_id, dag in dags.items()}

    def conditions(self) -> dict[str, Condition]:
        """Return the condition of each DAG that has one."""
        return {dag.dag_id: dag.condition for dag in self.dags.values() if dag.condition}

    def assets(self) -> list[AssetKey]:
        """Return every asset, by name."""
        nodes = {node for nodes in (*self._written.values(), *self._read.values()) for node in nodes}
        return sorted(node.key for node in nodes if node.kind == "asset")

    def node(self, term: Term) -> AssetNode:
        """Return the node of a term; a reference has that of its asset."""
        if term.kind == "alias":
            return AssetNode("alias", AssetKey(term.name, ""))
        return AssetNode("asset", self._asset(term))

    def written_by(self, dag_id: str) -> tuple[AssetNode, ...]:
        """Return what a DAG's tasks declare as outlets."""
        return self._written[dag_id]

    def readers(self, node: AssetNode) -> list[str]:
        """Return the DAGs that have this asset in their condition."""
        return [dag_id for dag_id, nodes in self._read.items() if node in nodes]

    def writers(self, node: AssetNode) -> list[str]:
        """Return the DAGs that write this asset."""
        return [dag_id for dag_id, nodes in self._written.items() if node in nodes]

    def with_assets(self) -> list[str]:
        """Return the DAGs that write or read any asset."""
        return [dag_id for dag_id in self.dags if self._written[dag_id] or self._read[dag_id]]

    def roots(self) -> list[str]:
        """Return DAGs from which all others are reached: those that no other triggers, then one of each cycle."""
        order = sorted(self.with_assets(), key=lambda dag_id: any(map(self.writers, self._read[dag_id])))
        found: list[str] = []
        reached: set[str] = set()
        for dag_id in order:
            if dag_id not in reached:
                found.append(dag_id)
                reached |= self.reached_from([dag_id])
        return found

    def reached_from(self, dag_ids: Iterable[str]) -> set[str]:
        """Return these DAGs and all that read their assets, directly or through others."""
        reached: set[str] = set()
        todo = list(dag_ids)
        while todo:
            dag_id = todo.pop()
            if dag_id not in reached:
                reached.add(dag_id)
                todo += [reader for node in self._written[dag_id] for reader in self.readers(node)]
        return reached

    def _nodes(self, found: Iterable[Term]) -> tuple[AssetNode, ...]:
        return tuple(dict.fromkeys(map(self.node, found)))

    def _asset(self, term: Term) -> AssetKey:
        """Return the asset of a reference, or the reference itself where no DAG defines it."""
        if term.kind == "asset":
            return AssetKey(term.name, term.uri)
        for dag in self.dags.values():
            for other in (*dag.outlets, *dag.reads):
                same = other.uri == term.uri if term.kind == "uri" else other.name == term.name
                if other.kind == "asset" and same:
                    return AssetKey(other.name, other.uri)
        return AssetKey(term.name, term.uri or term.name)


def read_dags(folder: Path | None = None) -> DagFiles:
    """Parse a folder, by default Airflow's, as the dag-processor does."""
    from airflow.models.dagbag import DagBag  # Airflow is imported once its environment is set

    os.environ["AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT"] = "0"  # a breakpoint at a DAG's own lines takes longer
    logging.disable(logging.INFO)  # Airflow logs every provider that it loads
    try:
        bag = DagBag(folder and str(folder), include_examples=False)
    finally:
        logging.disable(logging.NOTSET)
    return DagFiles(
        {dag_id: from_airflow(bag.dags[dag_id]) for dag_id in sorted(bag.dags)},
        {file: error.strip().splitlines()[-1] for file, error in bag.import_errors.items()},
    )


def from_airflow(dag: Any) -> Dag:
    """Translate Airflow's DAG object."""
    by_assets = getattr(dag.timetable, "asset_condition", None)
    by_time = getattr(dag.timetable, "timetable", None) if by_assets else dag.timetable
    summary = by_time.summary if by_time else ""
    outlets = (term for task in dag.tasks for outlet in task.outlets for term in terms_of(outlet))
    return Dag(
        dag.dag_id,
        Path(dag.fileloc),
        "" if summary in ("None", None) else summary,
        condition_of(by_assets) if by_assets else None,
        tuple(dict.fromkeys(outlets)),
        dag,
    )


def condition_of(condition: Any) -> Condition:
    """Translate Airflow's condition; a group of one part becomes that part."""
    from airflow.sdk import AssetAll, AssetAny

    if isinstance(condition, AssetAny | AssetAll):
        parts = tuple(condition_of(part) for part in condition.objects)
        rule: Any = "any" if isinstance(condition, AssetAny) else "all"
        return parts[0] if len(parts) == 1 else Group(rule, parts)
    found = terms_of(condition)
    return found[0] if len(found) == 1 else Group("all", found)


def terms_of(item: Any) -> tuple[Term, ...]:
    """Translate an asset, an alias, a reference, or a function that writes several assets."""
    if hasattr(item, "iter_outlets"):
        return tuple(term for outlet in item.iter_outlets() for term in terms_of(outlet))
    assets = (Term("asset", key.name, key.uri) for key, _ in item.iter_assets())
    aliases = (Term("alias", name) for name, _ in item.iter_asset_aliases())
    refs = (
        Term("name", ref.name) if hasattr(ref, "name") else Term("uri", ref.uri, ref.uri)
        for ref in item.iter_asset_refs()
    )
    return (*assets, *aliases, *refs)

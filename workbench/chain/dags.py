"""Read from the DAG files which DAG writes which assets, and what wakes it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.chain.conditions import Condition, Group, Term, terms


@dataclass(frozen=True)
class Dag:
    """A DAG as the chain sees it.

    :ivar schedule: the part by time, such as `0 0 * * *`; empty where there is none.
    :ivar condition: the part by assets; None where there is none.
    :ivar writes: what its tasks declare as outlets.
    :ivar source: Airflow's own object.
    """

    dag_id: str
    file: Path
    schedule: str = ""
    condition: Condition | None = None
    writes: tuple[Term, ...] = ()
    source: Any = field(default=None, repr=False, compare=False)

    @property
    def reads(self) -> tuple[Term, ...]:
        """Every term of its condition."""
        return tuple(terms(self.condition)) if self.condition else ()

    @property
    def when(self) -> str:
        """Say in words what starts it."""
        return "; or by time, ".join(filter(None, (str(self.condition or ""), self.schedule))) or "by hand only"


@dataclass(frozen=True)
class DagFiles:
    """What the DAG files define.

    :ivar errors: file -> the last line of its import error.
    """

    dags: dict[str, Dag]
    errors: dict[str, str]


def read_dags(folder: Path | None = None) -> DagFiles:
    """Parse a folder, by default Airflow's, as the dag-processor does."""
    from airflow.models.dagbag import DagBag  # Airflow is imported once its environment is set

    os.environ["AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT"] = "0"  # a breakpoint at a DAG's own lines takes longer
    logging.disable(logging.INFO)  # what it tells of providers is for nobody here
    try:
        bag = DagBag(folder and str(folder), include_examples=False)
    finally:
        logging.disable(logging.NOTSET)
    return DagFiles(
        {dag_id: from_airflow(bag.dags[dag_id]) for dag_id in sorted(bag.dags)},
        {file: error.strip().splitlines()[-1] for file, error in bag.import_errors.items()},
    )


def from_airflow(dag: Any) -> Dag:
    """Take what matters from Airflow's object."""
    by_assets = getattr(dag.timetable, "asset_condition", None)
    by_time = getattr(dag.timetable, "timetable", None) if by_assets else dag.timetable
    summary = by_time.summary if by_time else ""
    writes = (term for task in dag.tasks for outlet in task.outlets for term in terms_of(outlet))
    return Dag(
        dag.dag_id,
        Path(dag.fileloc),
        "" if summary in ("None", None) else summary,
        condition_of(by_assets) if by_assets else None,
        tuple(dict.fromkeys(writes)),
        dag,
    )


def condition_of(condition: Any) -> Condition:
    """Translate Airflow's condition; what has one part is that part."""
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

"""What triggers a DAG: a condition on assets, and the queue of the asset events that have come so far.

Plain data, so that a plan needs no database. The rules are those of Airflow's scheduler:
`tests/workbench/chain/test_conditions.py` compares them with the scheduler's own code on Airflow's tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class AssetKey(NamedTuple):
    """What identifies an asset."""

    name: str
    uri: str


@dataclass(frozen=True)
class Term:
    """One asset, alias or reference in a condition or among a task's outlets.

    :ivar kind: `name` and `uri` are references to an asset that is defined elsewhere.
    """

    kind: Literal["asset", "alias", "name", "uri"]
    name: str
    uri: str = ""

    def __str__(self) -> str:
        """Return the name that people use."""
        return {"alias": f"alias {self.name}", "uri": self.uri}.get(self.kind, self.name)


@dataclass(frozen=True)
class Group:
    """Several conditions of which all, or any, must hold."""

    rule: Literal["all", "any"]
    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        """Return the condition in words, with inner groups in parentheses."""
        if len(self.parts) == 1:
            return str(self.parts[0])
        word = {"all": " and ", "any": " or "}[self.rule]
        return word.join(
            f"({part})" if isinstance(part, Group) and len(part.parts) > 1 else str(part) for part in self.parts
        )


Condition = Term | Group


@dataclass(frozen=True)
class AssetEvent:
    """One update of an asset.

    :ivar aliases: those through which a task wrote it.
    :ivar source_run: the number of the run in the chain that emitted it; None where it is pretended.
    :ivar row: the same event in the debugger's database; None in a plan.
    """

    asset: AssetKey
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    aliases: tuple[str, ...] = ()
    source_run: int | None = None
    row: Any = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """Return the asset's name and the partition."""
        return f"{self.asset.name} {(self.extra or {}).get('partition', '')}".rstrip()


@dataclass(frozen=True)
class TriggeredDag:
    """A DAG that is to run.

    :ivar triggered_by: the events that made its condition hold; none where it is triggered by hand.
    :ivar triggering_asset_events: those of them that its tasks find in their context under this name. In Airflow 3.0.6
        these are the events of assets that the condition names itself: a run that was triggered through an alias or a
        reference gets none. Airflow 3.3.2 gives all of them.
    """

    dag_id: str
    triggered_by: tuple[AssetEvent, ...] = ()
    triggering_asset_events: tuple[AssetEvent, ...] = ()


@dataclass(frozen=True)
class WaitingDag:
    """A DAG whose condition holds in part.

    :ivar received: the events that came.
    :ivar missing: the part of the condition that does not hold, in words.
    """

    dag_id: str
    received: tuple[AssetEvent, ...]
    missing: str


class EventQueue:
    """The events that no run of each DAG has consumed yet.

    An event joins the queue of every DAG whose condition mentions its asset, an alias through which it was written,
    or a reference to it. A run empties the whole queue of its DAG: the events that come while it runs trigger one
    further run together. `any` is no exception: after a run its queue is empty too.

    :param conditions: DAG id -> what triggers it.
    """

    def __init__(self, conditions: Mapping[str, Condition]) -> None:
        self._conditions = conditions
        self._events: dict[str, list[AssetEvent]] = {}
        self._aliases: dict[str, set[AssetKey]] = {}

    def add(self, events: Iterable[AssetEvent]) -> None:
        """Add events, oldest first."""
        for event in events:
            for alias in event.aliases:
                self._aliases.setdefault(alias, set()).add(event.asset)
            for dag_id, condition in self._conditions.items():
                if any(_matches(term, event) for term in terms(condition)):
                    self._events.setdefault(dag_id, []).append(event)

    def take_triggered(self) -> list[TriggeredDag]:
        """Return every DAG whose condition holds, by id, and empty its queue."""
        ready = [dag_id for dag_id, events in sorted(self._events.items()) if self._is_ready(dag_id, events)]
        return [self.take(dag_id) for dag_id in ready]

    def take(self, dag_id: str) -> TriggeredDag:
        """Return one DAG, whether or not its condition holds, and empty its queue."""
        events = tuple(self._events.pop(dag_id, ()))
        condition = self._conditions.get(dag_id)
        named = {AssetKey(t.name, t.uri) for t in terms(condition) if t.kind == "asset"} if condition else set()
        return TriggeredDag(dag_id, events, tuple(event for event in events if event.asset in named))

    def waiting(self) -> list[WaitingDag]:
        """Return every DAG whose condition holds in part."""
        return [
            WaitingDag(dag_id, tuple(events), str(self._missing(self._conditions[dag_id], {e.asset for e in events})))
            for dag_id, events in sorted(self._events.items())
            if not self._is_ready(dag_id, events)
        ]

    def _is_ready(self, dag_id: str, events: list[AssetEvent]) -> bool:
        return self._holds(self._conditions[dag_id], {event.asset for event in events})

    def _holds(self, condition: Condition, queued: set[AssetKey]) -> bool:
        if isinstance(condition, Group):
            rule = {"all": all, "any": any}[condition.rule]
            return rule(self._holds(part, queued) for part in condition.parts)
        match condition.kind:
            case "asset":
                return (condition.name, condition.uri) in queued
            case "alias":  # also where the asset was written without it this time: the two stay associated
                return not queued.isdisjoint(self._aliases.get(condition.name, set()))
            case "name":
                return any(asset.name == condition.name for asset in queued)
            case "uri":
                return any(asset.uri == condition.uri for asset in queued)

    def _missing(self, condition: Condition, queued: set[AssetKey]) -> Condition:
        """Return the part of a condition that does not hold yet."""
        if isinstance(condition, Term):
            return condition
        open_parts = [part for part in condition.parts if not self._holds(part, queued)]
        return Group(condition.rule, tuple(self._missing(part, queued) for part in open_parts))


def terms(condition: Condition) -> Iterator[Term]:
    """Return every term once, from left to right."""
    return iter(dict.fromkeys(_all_terms(condition)))


def _all_terms(condition: Condition) -> Iterable[Term]:
    if isinstance(condition, Term):
        yield condition
        return
    for part in condition.parts:
        yield from _all_terms(part)


def _matches(term: Term, event: AssetEvent) -> bool:
    match term.kind:
        case "asset":
            return event.asset == (term.name, term.uri)
        case "alias":
            return term.name in event.aliases
        case "name":
            return event.asset.name == term.name
        case "uri":
            return event.asset.uri == term.uri

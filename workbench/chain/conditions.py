"""What wakes a DAG: a condition on assets, and the queue in which its scheduler keeps what has come so far.

Plain data, so that a plan needs no database. The rules are those of Airflow 3.0.6's scheduler, its peculiarities
included; `tests/workbench/cli/test_chain_conditions.py` holds them against Airflow's own tables.
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
    """One asset, alias or reference of a condition, or of a task's outlets.

    :ivar kind: `name` and `uri` are references to an asset that is defined elsewhere, by one of the two.
    """

    kind: Literal["asset", "alias", "name", "uri"]
    name: str
    uri: str = ""

    def __str__(self) -> str:
        """Return it as people call it."""
        return {"alias": f"alias {self.name}", "uri": self.uri}.get(self.kind, self.name)


@dataclass(frozen=True)
class Group:
    """Several conditions under one rule."""

    rule: Literal["all", "any"]
    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        """Return it in words, inner groups in parentheses."""
        if len(self.parts) == 1:
            return str(self.parts[0])
        word = {"all": " and ", "any": " or "}[self.rule]
        return word.join(
            f"({part})" if isinstance(part, Group) and len(part.parts) > 1 else str(part) for part in self.parts
        )


Condition = Term | Group


@dataclass(frozen=True)
class Event:
    """One update of an asset.

    :ivar aliases: those through which a task wrote it.
    :ivar source: the number of the run that emitted it; None where it is pretended.
    :ivar row: the same event in the debugger's database; None where it is only planned.
    """

    asset: AssetKey
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    aliases: tuple[str, ...] = ()
    source: int | None = None
    row: Any = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """Return asset and partition."""
        return f"{self.asset.name} {(self.extra or {}).get('partition', '')}".rstrip()


@dataclass(frozen=True)
class Wake:
    """A condition that holds.

    :ivar causes: the events that made it hold.
    :ivar handed: those of them that the run finds as its triggering events. Airflow 3.0.6 hands over only events of
        assets that the condition names itself: a run woken through an alias or a reference gets none.
    """

    dag_id: str
    causes: tuple[Event, ...]
    handed: tuple[Event, ...]


@dataclass(frozen=True)
class Waiting:
    """A condition of which a part has come.

    :ivar has: the events that came.
    :ivar needs: what is still missing, in words.
    """

    dag_id: str
    has: tuple[Event, ...]
    needs: str


class Queue:
    """The events that each DAG has not consumed yet.

    An event joins the queue of every DAG whose condition mentions its asset, an alias through which it was written,
    or a reference to it. A run empties its DAG's queue, whatever it holds: the events that come meanwhile wake one
    further run together. `any` is no exception: after a run it begins anew with nothing.

    :param conditions: DAG id -> what wakes it.
    """

    def __init__(self, conditions: Mapping[str, Condition]) -> None:
        self._conditions = conditions
        self._events: dict[str, list[Event]] = {}
        self._aliases: dict[str, set[AssetKey]] = {}

    def announce(self, event: Event) -> None:
        """Take in one event."""
        for alias in event.aliases:
            self._aliases.setdefault(alias, set()).add(event.asset)
        for dag_id, condition in self._conditions.items():
            if any(_concerns(term, event) for term in terms(condition)):
                self._events.setdefault(dag_id, []).append(event)

    def woken(self) -> list[Wake]:
        """Return every DAG whose condition holds, by id, and empty its queue."""
        ready = [dag_id for dag_id, events in sorted(self._events.items()) if self._is_ready(dag_id, events)]
        return [self.take(dag_id) for dag_id in ready]

    def take(self, dag_id: str) -> Wake:
        """Empty one DAG's queue, whether or not its condition holds."""
        events = tuple(self._events.pop(dag_id, ()))
        condition = self._conditions.get(dag_id)
        named = {AssetKey(t.name, t.uri) for t in terms(condition) if t.kind == "asset"} if condition else set()
        return Wake(dag_id, events, tuple(event for event in events if event.asset in named))

    def waiting(self) -> list[Waiting]:
        """Return every DAG that has a part of what its condition needs."""
        return [
            Waiting(dag_id, tuple(events), str(self._missing(self._conditions[dag_id], {e.asset for e in events})))
            for dag_id, events in sorted(self._events.items())
            if not self._is_ready(dag_id, events)
        ]

    def _is_ready(self, dag_id: str, events: list[Event]) -> bool:
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
    """Return every term, from left to right, each once."""
    seen = dict.fromkeys(_walk(condition))
    return iter(seen)


def _walk(condition: Condition) -> Iterable[Term]:
    if isinstance(condition, Term):
        yield condition
        return
    for part in condition.parts:
        yield from _walk(part)


def _concerns(term: Term, event: Event) -> bool:
    match term.kind:
        case "asset":
            return event.asset == (term.name, term.uri)
        case "alias":
            return term.name in event.aliases
        case "name":
            return event.asset.name == term.name
        case "uri":
            return event.asset.uri == term.uri

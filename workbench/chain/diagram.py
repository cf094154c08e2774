"""What the picture of a chain consists of: DAGs, assets, conditions, and what causes what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.chain.conditions import Condition, Group

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workbench.chain.graph import AssetNode, Graph

#: Pixels: a letter of 13 px on average, generously; what is left and right of a text.
LETTER, PADDING = 7.4, 28
HEIGHTS = {"dag": 46, "asset": 30, "alias": 30, "gate": 26}


@dataclass
class Box:
    """One thing in the picture.

    :ivar kind: `dag`, `asset`, `alias`, or `gate` for "all" and "any".
    :ivar note: a second, smaller line.
    :ivar tip: what the pointer shows.
    :ivar mark: its state, for the colour.
    """

    kind: str
    label: str
    note: str = ""
    tip: str = ""
    mark: str = ""
    x: float = 0
    y: float = 0

    @property
    def width(self) -> float:
        """Wide enough for its text."""
        if self.kind == "gate":
            return 38
        return max(len(self.label) * LETTER, len(self.note) * LETTER * 0.85) + PADDING

    @property
    def height(self) -> float:
        """As its kind has it."""
        return HEIGHTS[self.kind]


@dataclass
class Link:
    """A cause and its consequence, by the numbers of their boxes.

    :ivar bends: where it passes columns between them: the column's left edge, its right edge, and y. Of one that goes
        back, how low it goes.
    :ivar back: it closes a cycle, and goes from right to left.
    """

    source: int
    target: int
    bends: list[tuple[float, float, float]] = field(default_factory=list)
    back: bool = False


@dataclass
class Diagram:
    """Boxes and links, in order of the DAGs; `layout.place` gives them their places."""

    boxes: list[Box] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    width: float = 0
    height: float = 0
    _numbers: dict[object, int] = field(default_factory=dict)

    def add(self, key: object, box: Box) -> int:
        """Return the number of a box, which is added where it is new."""
        if key not in self._numbers:
            self._numbers[key] = len(self.boxes)
            self.boxes.append(box)
        return self._numbers[key]

    def link(self, source: int, target: int) -> None:
        """Link two boxes once."""
        if not any((link.source, link.target) == (source, target) for link in self.links):
            self.links.append(Link(source, target))


def diagram(graph: Graph, shown: Collection[str], marks: Mapping[str, tuple[str, str]]) -> Diagram:
    """Make the picture of some DAGs, their assets and conditions.

    :param shown: DAG ids in the order in which they begin.
    :param marks: DAG id -> its state and a note.
    """
    found = Diagram()

    def add_asset(node: AssetNode) -> int:
        writers = graph.writers(node)
        by = f"written by {', '.join(writers)}" if writers else "written by no DAG here"
        mark = "" if set(writers) & set(shown) else "outside"
        return found.add(node, Box(node.kind, node.key.name, tip=f"{node.key.uri or 'alias'}\n{by}", mark=mark))

    def add_condition(condition: Condition, target: int, place: tuple[object, ...]) -> None:
        if not isinstance(condition, Group):
            found.link(add_asset(graph.node(condition)), target)
            return
        tip = f"{condition.rule} of {', '.join(map(str, condition.parts))}"
        gate = found.add(place, Box("gate", condition.rule, tip=tip))
        found.link(gate, target)
        for number, part in enumerate(condition.parts):
            add_condition(part, gate, (*place, number))

    for dag_id in shown:
        dag = graph.dags[dag_id]
        mark, note = marks.get(dag_id, ("", ""))
        note = note or dag.schedule or ("by events" if dag.condition else "by hand")
        number = found.add(dag_id, Box("dag", dag_id, note, f"{dag.file.name}\n{dag.when}", mark))
        for node in graph.written_by(dag_id):
            found.link(number, add_asset(node))
        if dag.condition:
            add_condition(dag.condition, number, ("gate", dag_id))
    return found

"""Draw a chain as a Mermaid flowchart, which GitHub and VS Code show as a picture: https://mermaid.js.org/."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.chain.conditions import Condition, Group
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from workbench.chain.dags import AssetNode, Graph

#: What `--graph` takes for the terminal.
TERMINAL = Path("-")
SHAPES = {"dag": ('["', '"]'), "asset": ('(["', '"])'), "alias": ('(["', '"])'), "rule": ('{{"', '"}}')}
#: Lines only, so that the reader's theme, light or dark, decides on the rest.
STYLES = {
    "success": "stroke:#1a8f4b,stroke-width:3px",
    "failed": "stroke:#d0342c,stroke-width:3px",
    "cycle": "stroke:#d0342c,stroke-width:3px",
    "waiting": "stroke:#c77d0a,stroke-width:3px,stroke-dasharray:7 4",
    "excluded": "stroke:#8a8f98,stroke-dasharray:3 3",
    "outside": "stroke:#8a8f98,stroke-dasharray:3 3",
    "alias": "stroke-dasharray:5 3",
}
CYCLE_LINK = "stroke:#d0342c,stroke-width:3px"
#: All but letters, digits and these few; a full stop before a space may begin a list.
_MARKUP = re.compile(r"[^\w ,/.-]|\.(?= )")


@dataclass
class Flowchart:
    """The lines of a Mermaid flowchart; nodes and links are added once."""

    title: str
    _nodes: dict[object, str] = field(default_factory=dict)
    _links: dict[tuple[str, str], bool] = field(default_factory=dict)
    _lines: list[str] = field(default_factory=list)
    _styles: set[str] = field(default_factory=set)

    def node(self, key: object, kind: str, lines: Sequence[str], style: str = "") -> str:
        """Return the id of a node, which is added where it is new.

        :param style: a key of `STYLES`; others, such as `planned`, look like the rest.
        """
        if key not in self._nodes:
            name = self._nodes[key] = f"n{len(self._nodes)}"
            before, after = SHAPES[kind]
            suffix = f":::{style}" if style in STYLES else ""
            self._styles |= {style} & set(STYLES)
            self._lines.append(f"{name}{before}{'<br>'.join(map(escaped, filter(None, lines)))}{after}{suffix}")
        return self._nodes[key]

    def link(self, source: str, target: str, *, in_cycle: bool = False) -> None:
        """Link two nodes; one in a cycle is thick and red."""
        if (source, target) not in self._links:
            self._links[source, target] = in_cycle
            self._lines.append(f"{source} {'==>' if in_cycle else '-->'} {target}")

    def text(self) -> str:
        """Return the whole flowchart."""
        red = [str(number) for number, in_cycle in enumerate(self._links.values()) if in_cycle]
        lines = [
            "flowchart LR",
            *(f"    {line}" for line in self._lines),
            *(f"    classDef {style} {STYLES[style]}" for style in sorted(self._styles)),
            *([f"    linkStyle {','.join(red)} {CYCLE_LINK}"] if red else []),
        ]
        return "\n".join(["---", f"title: {json.dumps(self.title)}", "---", *lines, ""])


def flowchart(title: str, graph: Graph, shown: Collection[str], states: Mapping[str, tuple[str, str]]) -> str:
    """Return the flowchart of some DAGs, their assets and conditions.

    :param shown: DAG ids in the order in which they are drawn.
    :param states: DAG id -> its state and a note.
    """
    chart = Flowchart(title)

    def add_asset(node: AssetNode) -> str:
        writers = graph.writers(node)
        if set(writers) & set(shown):
            return chart.node(node, node.kind, [node.label], node.kind)
        return chart.node(node, node.kind, [node.label, f"written by {', '.join(writers) or 'no DAG'}"], "outside")

    def add_condition(condition: Condition, target: str, key: tuple[object, ...]) -> None:
        if not isinstance(condition, Group):
            chart.link(add_asset(graph.node(condition)), target)
            return
        rule = chart.node(key, "rule", [condition.rule])
        chart.link(rule, target)
        for number, part in enumerate(condition.parts):
            add_condition(part, rule, (*key, number))

    for dag_id in shown:
        dag = graph.dags[dag_id]
        state, note = states.get(dag_id, ("", ""))
        note = note or dag.schedule or ("by events" if dag.condition else "by hand")
        name = chart.node(dag_id, "dag", [dag_id, note], state)
        for node in graph.written_by(dag_id):
            chart.link(name, add_asset(node), in_cycle=dag_id in graph.reached_from(graph.readers(node)))
        if dag.condition:
            add_condition(dag.condition, name, ("rule", dag_id))
    return chart.text()


def escaped(text: str) -> str:
    """Return a label in which Mermaid finds no markup: other characters become its entities, such as `#35;`."""
    return _MARKUP.sub(lambda found: f"#{ord(found[0])};", text)


def check_target(file: Path) -> None:
    """Check before a chain runs that its flowchart can be written.

    :raises UserError: where the file's ending is not known or its folder does not exist.
    """
    if file != TERMINAL and file.suffix not in (".md", ".mmd"):
        raise UserError(
            f"{file} is not a valid file for --graph",
            "the flowchart is Mermaid text, so the name must end in .md or .mmd",
            "use --graph chain.md, which GitHub and VS Code show as a picture, or --graph - to print it",
        )
    if not file.parent.is_dir():
        raise UserError(
            f"{file} cannot be written", f"{file.parent} is not a folder", "choose another file for --graph"
        )


def document(chart: str, notes: Sequence[str]) -> str:
    """Return Markdown: the flowchart in a fenced block, and the notes below it."""
    text = f"```mermaid\n{chart}```\n"
    return text + "\n```text\n{}\n```\n".format("\n".join(notes)) if notes else text

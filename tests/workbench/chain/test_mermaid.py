"""The Mermaid flowchart shows every DAG, asset and condition, and how each run ended."""

from __future__ import annotations

import html
import io
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from workbench.chain.conditions import AssetEvent, Condition, EventQueue, Group, Term, TriggeredDag
from workbench.chain.dags import Dag, DagFiles, Graph
from workbench.chain.levels import RunResult, follow
from workbench.chain.mermaid import check_target, flowchart
from workbench.chain.report import ChainReport
from workbench.chain.request import ChainRequest, resolve
from workbench.cli.main import main
from workbench.debug.arguments import Request
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What a line of the flowchart may be.
NODE = re.compile(r'    (n\d+)(\["|\(\["|\{\{")([^"<>&`*]*(?:<br>[^"<>&`*]*)?)(?:"\]|"\]\)|"\}\})(?::::(\w+))?')
LINK = re.compile(r"    (n\d+) (-->|==>) (n\d+)")
STYLE = re.compile(r"    classDef (\w+) [\w:#,. -]+")
LINK_STYLE = re.compile(r"    linkStyle ([\d,]+) [\w:#,. -]+")
KINDS = {'["': "dag", '(["': "asset", '{{"': "rule"}


class Node(NamedTuple):
    """A node as read from the text."""

    kind: str
    label: str
    note: str
    style: str


@dataclass
class Chart:
    """A flowchart as read from its text, by the ids of its nodes."""

    title: str
    nodes: dict[str, Node]
    links: list[tuple[str, str]]
    red: set[tuple[str, str]]

    def by_label(self, label: str) -> Node:
        (found,) = [node for node in self.nodes.values() if node.label == label]
        return found

    def labels(self, links: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        return {(self.nodes[source].label, self.nodes[target].label) for source, target in links}

    def causes(self, name: str) -> list[str]:
        return [source for source, target in self.links if target == name]


def read(text: str) -> Chart:
    """Read Mermaid text; a line that is not of the flowchart's grammar fails."""
    start, title, end, head, *lines = text.splitlines()
    assert (start, end, head) == ("---", "---", "flowchart LR")
    nodes: dict[str, Node] = {}
    links: list[tuple[str, str]] = []
    thick: set[tuple[str, str]] = set()
    styles: set[str] = set()
    red: set[tuple[str, str]] = set()
    for line in lines:
        if found := NODE.fullmatch(line):
            name, shape, label, style = found.groups()
            assert name not in nodes
            first, _, second = label.partition("<br>")
            nodes[name] = Node(KINDS[shape], plain(first), plain(second), style or "")
        elif found := LINK.fullmatch(line):
            assert {found[1], found[3]} <= set(nodes)
            links.append((found[1], found[3]))
            thick |= {links[-1]} if found[2] == "==>" else set()
        elif found := STYLE.fullmatch(line):
            styles.add(found[1])
        else:
            found = LINK_STYLE.fullmatch(line)
            assert found, line
            red = {links[int(number)] for number in found[1].split(",")}
    assert thick == red
    assert {node.style for node in nodes.values()} - {""} == styles
    return Chart(title, nodes, links, red)


def plain(label: str) -> str:
    return html.unescape(re.sub(r"#(\d+);", r"&#\1;", label))


def asset(name: str) -> Term:
    return Term("asset", name, f"x://{name}")


def make(*dags: tuple[str, Condition | None, str]) -> Graph:
    """DAGs by id, condition, and a letter for each asset that they write."""
    return Graph(
        {name: Dag(name, Path("test.py"), "", condition, tuple(map(asset, writes))) for name, condition, writes in dags}
    )


GRAPH = make(
    ("take <orders>", None, "a"),
    ("join", Group("all", (asset("a"), Group("any", (asset("b"), Term("alias", "incoming"))))), "c"),
    ("report", asset("c"), "d"),
    ("again", asset("d"), "c"),
)


def planned(*events: str) -> ChainReport:
    pretended = tuple((name, {}) for name in events)
    request = ChainRequest(Request("take <orders>", events=pretended))
    return ChainReport(GRAPH, resolve(request, DagFiles(GRAPH.dags, {}), GRAPH).plan(), {}, planned=True)


def ran(*, failed: str = "", skipped: str = "") -> ChainReport:
    """Three DAGs, one after the other."""
    graph = make(
        ("first", None, "a"), ("second", asset("a"), "b"), ("third", Group("all", (asset("b"), asset("z"))), "")
    )

    def run(dag: TriggeredDag, number: int) -> RunResult:
        return RunResult("run", "failed" if dag.dag_id == failed else "success", 1.25, emitted(graph, dag, number))

    return ChainReport(
        graph,
        follow([TriggeredDag("first")], EventQueue(graph.conditions()), run, lambda dag_id: dag_id != skipped),
        {"broken.py": "SyntaxError: invalid syntax"},
        planned=False,
    )


def emitted(graph: Graph, dag: TriggeredDag, number: int) -> Any:
    return tuple(AssetEvent(node.key, source_run=number) for node in graph.written_by(dag.dag_id))


def test_everything_shown() -> None:
    """Every DAG, asset, alias and rule is a node with its name, whatever characters the name has."""
    chart = read(planned("b").flowchart())
    assert {node.label for node in chart.nodes.values()} == {
        "take <orders>", "join", "report", "again", "a", "b", "alias incoming", "c", "d", "all", "any",
    }  # fmt: skip
    assert "take <orders>" not in planned("b").flowchart().partition("flowchart LR")[2]
    assert chart.title == 'title: "What take <orders> would trigger: 4 DAG runs in 4 levels"'


@pytest.mark.parametrize("name", ['a "b" #35;', "1. a", "`a`", "a & b &amp;", "%% a", "[a](b){c}|d|", "* * *", "naïve"])
def test_markup_in_names(name: str) -> None:
    """No name of an asset becomes markup of Mermaid's."""
    chart = read(flowchart("title", Graph({"d": Dag("d", Path("d.py"), outlets=(asset(name),))}), ["d"], {}))
    assert chart.by_label(name).kind == "asset"


def test_deterministic(tmp_path: Path) -> None:
    """The same chain gives the same text."""
    for name in ("one.md", "two.md"):
        planned("b").write_flowchart(tmp_path / name)
    assert (tmp_path / "one.md").read_text() == (tmp_path / "two.md").read_text()


def test_files(tmp_path: Path) -> None:
    """A Markdown file has the flowchart in a fenced block and the remarks below; an .mmd file the flowchart alone."""
    planned("b").write_flowchart(tmp_path / "chain.md")
    planned("b").write_flowchart(tmp_path / "chain.mmd")
    text = (tmp_path / "chain.mmd").read_text()
    assert text == planned("b").flowchart()
    block, _, notes = (tmp_path / "chain.md").read_text().removeprefix("```mermaid\n").partition("```\n")
    assert block == text
    assert "Cycle: report -> d -> again -> c -> report" in notes


def test_terminal() -> None:
    """`--graph -` puts the Markdown into the terminal's text and the flowchart into the JSON, and nothing else does."""
    silent, graph = planned(), replace(planned(), graph_file=Path("-"))
    texts = []
    for one in (silent, graph):
        file = io.StringIO()
        one.to_text(Console(file=file, width=80, highlight=False, soft_wrap=True))
        texts.append(file.getvalue())
    assert texts[1] == texts[0] + graph.markdown()
    assert graph.to_json() == {**silent.to_json(), "mermaid": graph.flowchart()}


def test_wrong_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be written, or that nothing draws, is refused by name before anything runs."""
    assert main(["chain", "nonsense", "--graph", "chain.png"]) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "chain.png is not a valid file for --graph" in message
    assert "must end in .md or .mmd" in message
    with pytest.raises(UserError, match="cannot be written"):
        check_target(tmp_path / "nowhere" / "chain.md")
    check_target(tmp_path / "chain.md")
    with pytest.raises(UserError, match="cannot be written"):
        planned().write_flowchart(tmp_path / "nowhere" / "chain.md")


def test_cycle() -> None:
    """The links of a cycle are marked, and the DAG that would run without end says so."""
    chart = read(planned("b").flowchart())
    assert chart.labels(chart.red) == {("report", "d"), ("again", "c")}
    assert (chart.by_label("report").style, chart.by_label("report").note) == ("cycle", "triggered by its own events")


def test_states() -> None:
    """Each DAG shows how its run ended, what it waits for, or that it was kept from running."""
    success = read(ran().flowchart())
    assert read(planned().flowchart()).by_label("join")[2:] == ("waits for b or alias incoming", "waiting")
    assert success.by_label("second")[2:] == ("success in 1.2 s, level 1", "success")
    assert success.by_label("third")[2:] == ("waits for z", "waiting")
    assert success.by_label("z")[2:] == ("written by no DAG", "outside")
    assert success.title == 'title: "What first triggered: 2 DAG runs in 2 levels"'
    assert "third waits for z; it received b" in ran().markdown()
    assert "broken.py cannot be imported and was skipped: SyntaxError: invalid syntax" in ran().markdown()
    assert read(ran(failed="second").flowchart()).by_label("second")[2:] == ("failed in 1.2 s, level 1", "failed")
    assert read(ran(skipped="second").flowchart()).by_label("second")[2:] == ("did not run", "excluded")
    assert "second did not run because of --only or --skip; triggered by a" in ran(skipped="second").markdown()


names = st.sampled_from("abcdefgh")
conditions = st.recursive(
    names.map(asset),
    lambda parts: st.builds(Group, st.sampled_from(["all", "any"]), st.lists(parts, min_size=2, max_size=3).map(tuple)),
    max_leaves=4,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.none() | conditions, st.sets(names, max_size=3)), min_size=1, max_size=9))
def test_links_are_the_graph(shape: list[Any]) -> None:
    """The text has each DAG and asset once, its outlets as links, its condition as links through the rules."""
    graph = make(*((f"dag_{n}", condition, "".join(sorted(writes))) for n, (condition, writes) in enumerate(shape)))
    chart = read(flowchart("title", graph, list(graph.dags), {}))
    labels = [node.label for node in chart.nodes.values() if node.kind != "rule"]
    assert len(labels) == len(set(labels))
    assert set(graph.dags) == {node.label for node in chart.nodes.values() if node.kind == "dag"}
    ids = {node.label: name for name, node in chart.nodes.items() if node.kind != "rule"}
    for dag_id, dag in graph.dags.items():
        written = {chart.nodes[target].label for source, target in chart.links if source == ids[dag_id]}
        assert written == {term.name for term in dag.outlets}
        assert [shown(chart, cause) for cause in chart.causes(ids[dag_id])] == (
            [said(dag.condition)] if dag.condition else []
        )
        for term in dag.outlets:  # part of a cycle is what comes back to its DAG
            assert ((ids[dag_id], ids[term.name]) in chart.red) == (ids[dag_id] in behind(chart, ids[term.name]))


def shown(chart: Chart, name: str) -> Any:
    """Read a condition back from the links; the same part twice is one link."""
    node = chart.nodes[name]
    return (
        (node.label, frozenset(shown(chart, cause) for cause in chart.causes(name)))
        if node.kind == "rule"
        else node.label
    )


def said(condition: Condition) -> Any:
    """Write a condition as `shown` does."""
    if isinstance(condition, Group):
        return condition.rule, frozenset(said(part) for part in condition.parts)
    return condition.name


def behind(chart: Chart, name: str) -> set[str]:
    """Follow the links from a node."""
    found: set[str] = set()
    todo = [name]
    while todo:
        after = {target for source, target in chart.links if source == todo[0]} - found
        found |= after
        todo = [*todo[1:], *after]
    return found

"""The picture shows every DAG, asset and condition, one beside the other, in a file that needs nothing else."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.chain.conditions import Condition, Group, Term
from workbench.chain.dags import Dag, DagFiles
from workbench.chain.diagram import Diagram, diagram
from workbench.chain.graph import Graph
from workbench.chain.layout import path, place
from workbench.chain.report import Chained
from workbench.chain.request import ChainRequest, begin
from workbench.debug.arguments import Request
from workbench.errors import UserError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NUMBER = re.compile(r"-?\d+")


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


def chained(*events: str) -> Chained:
    pretended = tuple((name, {}) for name in events)
    request = ChainRequest(Request("take <orders>", events=pretended))
    return Chained(GRAPH, begin(request, DagFiles(GRAPH.dags, {}), GRAPH).plan(), {}, planned=True)


def placed(graph: Graph) -> Diagram:
    found = diagram(graph, list(graph.dags), {})
    place(found)
    return found


def test_the_picture_is_xml_with_every_box_and_no_word_that_is_markup(tmp_path: Path) -> None:
    file = tmp_path / "chain.svg"
    chained("b").draw(file)
    root = ET.fromstring(file.read_text())  # noqa: S314 it is our own
    labels = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"take <orders>", "join", "report", "again", "a", "b", "incoming", "c", "d", "all", "any"} <= set(labels)
    assert "take <orders>" not in file.read_text()
    addresses = re.findall(r"https?://[^\"' ]+", file.read_text())
    assert set(addresses) == {"http://www.w3.org/2000/svg"}


def test_the_same_chain_is_the_same_picture(tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        chained("b").draw(tmp_path / name)
    assert (tmp_path / "one.html").read_text() == (tmp_path / "two.html").read_text()


def test_a_file_that_is_no_picture_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither \.svg nor \.html"):
        chained().draw(tmp_path / "chain.png")
    with pytest.raises(UserError, match="cannot be written"):
        chained().draw(tmp_path / "nowhere" / "chain.svg")


def test_a_link_that_closes_a_cycle_goes_below_and_is_marked() -> None:
    found = placed(GRAPH)
    (back,) = [link for link in found.links if link.back]
    assert (found.boxes[back.source].label, found.boxes[back.target].label) == ("again", "c")
    assert max(map(int, NUMBER.findall(path(found, back)))) > max(box.y for box in found.boxes)


names = st.sampled_from("abcdefgh")
conditions = st.recursive(
    names.map(asset),
    lambda parts: st.builds(Group, st.sampled_from(["all", "any"]), st.lists(parts, min_size=2, max_size=3).map(tuple)),
    max_leaves=4,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.none() | conditions, st.sets(names, max_size=3)), min_size=1, max_size=9))
def test_no_box_covers_another_and_every_cause_stands_left_of_its_consequence(shape: list[Any]) -> None:
    dags = [(f"dag_{number}", condition, "".join(sorted(writes))) for number, (condition, writes) in enumerate(shape)]
    found = placed(make(*dags))
    for one, two in combinations(found.boxes, 2):
        apart = abs(one.x - two.x) >= (one.width + two.width) / 2 or abs(one.y - two.y) >= (one.height + two.height) / 2
        assert apart, (one, two)
    for box in found.boxes:
        assert 0 < box.x - box.width / 2 < box.x + box.width / 2 < found.width
        assert 0 < box.y - box.height / 2 < box.y + box.height / 2 < found.height
    for link in found.links:
        source, target = found.boxes[link.source], found.boxes[link.target]
        assert link.back or source.x + source.width / 2 < target.x - target.width / 2
        for left, right, y in link.bends if not link.back else []:
            covered = [b for b in found.boxes if left <= b.x <= right and abs(b.y - y) < b.height / 2]
            assert not covered, (link, covered)


def test_a_browser_opens_it_without_a_network_and_shows_what_belongs_together(browser: Browser, tmp_path: Path) -> None:
    """In the colours that the reader prefers; the pointer on a box leaves bright only what it is linked to."""
    file = tmp_path / "chain.html"
    chained("b").draw(file)
    papers = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        asked: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
        page.goto(file.as_uri())
        assert asked == [file.as_uri()]
        assert not wrong
        papers[scheme] = page.evaluate("getComputedStyle(document.querySelector('main svg')).backgroundColor")
        assert page.locator("h1").inner_text() == "What take <orders> would wake"
        assert "A cycle: report -> d -> again -> c -> report" in page.locator("footer").inner_text()
        page.locator("g.dag", has_text="join").hover()
        near = page.locator("g.near").evaluate_all("found => found.map(box => box.querySelector('text').textContent)")
        assert sorted(near) == ["all", "c", "join"]
        overflowing = page.evaluate(
            "[...document.querySelectorAll('g[data-box]')].filter(box => [...box.querySelectorAll('text')].some("
            "text => text.getBBox().width > box.querySelector('rect').getBBox().width)).length"
        )
        assert overflowing == 0
        page.close()
    assert papers["light"] != papers["dark"]


def test_scripts_are_told_the_same_as_people() -> None:
    told = json.loads(json.dumps(chained().to_json()))
    assert told["ok"] is True
    assert told["planned"] is True
    assert [(run["wave"], run["dag_id"]) for run in told["runs"]] == [(0, "take <orders>")]
    assert told["waiting"][0]["needs"] == "b or alias incoming"

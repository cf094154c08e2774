"""What the documentation names exists: tests, pages, headings, images, commands; and its words are the field's."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

from workbench.cli.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

#: Pages for users; templates of GitHub are none.
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("[a-z]*/**/*.md")] if "node_modules" not in path.parts)
IMAGES = ROOT / "docs/images"
COMMANDS = {path.stem for path in (ROOT / "workbench/cli/commands").glob("[a-z]*.py")}

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
TEST = re.compile(r"`?(tests/[\w./-]+\.py)::(?:\w+::)?(\w+)")
COMMAND_ROW = re.compile(r"^\| `\./dev ([\w-]+)[^`]*` \|", re.MULTILINE)
PAGE_IN_CODE = re.compile(r"\bdocs/(?:adr/\d{4}|[\w/.-]+\.md)")
#: They are being rewritten.
NOT_YET = {"docs/adr/0015-a-chain-in-one-process.md"}
#: Retired word -> what to write.
RETIRED = {
    r"\bstand-?ins?\b": "emulator",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bwoken\b": "triggered",
    r"\bfor want of\b": "out of",
    r"\bto be had\b": "available",
    r"\btold (?:once|of|one by one)\b": "reported",
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Return a page without its examples and the names in it."""
    return re.sub(r"```.*?```|`[^`\n]*`", " ", text_of(page), flags=re.DOTALL)


@cache
def anchors(page: Path) -> set[str]:
    """Return the headings of a page as GitHub makes anchors of them."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-"))
    return found


@cache
def functions_of(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(text_of(file))) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links(page: Path) -> None:
    """A relative link leads to a file, and to a heading in it."""
    for link in LINK.findall(text_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        where, _, anchor = link.partition("#")
        target = (page.parent / where).resolve() if where else page
        assert target.exists(), f"{name(page)} links to {link}, which does not exist: correct the link"
        if anchor:
            assert anchor in anchors(target), f"{name(page)} links to {link}: no heading of that page is called so"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_tests(page: Path) -> None:
    """A test that a page names is in that file."""
    for file, test in TEST.findall(text_of(page)):
        assert (ROOT / file).is_file(), f"{name(page)} names {file}, which does not exist"
        assert test in functions_of(ROOT / file), f"{name(page)} names {file}::{test}: write the name that it has now"


def test_tables_name_tests() -> None:
    """Each row of the guarantees and of the alerts names the test that holds it."""
    for page in ("alerts.md", "guarantees.md"):
        text = text_of(ROOT / "docs/reference" / page)
        for table in re.findall(r"^\| [^\n]* tests? \|\n\| [-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE):
            for row in table.splitlines():
                assert TEST.search(row), f"docs/reference/{page}: add the test to the row {row}"


def test_commands() -> None:
    """The README's table has each command once; no page has another one."""
    rows = COMMAND_ROW.findall(text_of(ROOT / "README.md"))
    missing = COMMANDS - set(rows)
    assert not missing, f"README.md lacks {', '.join(sorted(missing))}: add a row to its table of commands"
    assert len(rows) == len(set(rows))
    for row in {*rows, *COMMAND_ROW.findall(text_of(ROOT / "docs/reference/commands.md"))}:
        assert row in COMMANDS, f"./dev {row} does not exist: delete its row in README.md and commands.md"


def test_images() -> None:
    """Every picture is shown on a page."""
    shown = {(page.parent / link).resolve() for page in PAGES for link in LINK.findall(text_of(page))}
    assert not [name(image) for image in IMAGES.iterdir() if image not in shown], "delete the pictures or show them"


def test_pages_are_found() -> None:
    """The index leads to every page under docs/; the decisions have an index of their own."""
    for index, pages in (("docs/README.md", "docs/[a-z]*/*.md"), ("docs/adr/README.md", "docs/adr/0*.md")):
        home = ROOT / index
        linked = {(home.parent / link.partition("#")[0]).resolve() for link in LINK.findall(text_of(home))}
        for page in ROOT.glob(pages):
            if "adr" not in page.parts or "adr" in home.parts:
                assert page in linked, f"{index} does not link to {name(page)}: add a row"


def test_pages_in_code() -> None:
    """A page or a decision that a comment or a message names exists."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for file in filter(None, tracked.split("\0")):
        path = ROOT / file
        # The changelog names what has gone.
        if path.suffix in {".png", ".txt"} or not path.is_file() or file in {"CHANGELOG.md", "tests/test_docs.py"}:
            continue
        for page in PAGE_IN_CODE.findall(path.read_text(encoding="utf-8", errors="replace")):
            assert (ROOT / page).exists() or list(ROOT.glob(f"{page}-*.md")), f"{file} names {page}, which is missing"


def test_readme_leads() -> None:
    """The README is short enough to be read before the first run."""
    assert len(text_of(ROOT / "README.md").splitlines()) <= 110, "move the details to docs/"


@pytest.mark.parametrize("page", [page for page in PAGES if name(page) not in NOT_YET], ids=name)
def test_words(page: Path) -> None:
    """No page uses a retired word outside of names and examples."""
    for word, better in RETIRED.items():
        found = re.search(word, prose(page), re.IGNORECASE)
        assert not found, f"{name(page)} says {found and found[0]!r}: write {better!r}"

"""The layout of the design holds: imports run one way, and each list names everything it has to."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from workbench.cli import main

ROOT = Path(__file__).resolve().parents[1]
CLI = "workbench.cli"
MOST_LAYERS = 6
#: The first name of a package -> the packages of this project that it may import; its own always.
ALLOWED = {
    "dags": {"common", "workbench.debug"},  # the debug hook of a DAG file's `__main__`
    "common": set(),
    "workbench.airflow": {"common", "workbench.errors", "workbench.debugger"},
    "workbench.alerts": {"common", "workbench.errors"},
    "workbench.debug": {
        "common",
        "workbench.errors",
        "workbench.debugger",
        "workbench.emulator_check",
        "workbench.airflow",
    },
    "workbench.chain": {"common", "workbench.errors", "workbench.debugger", "workbench.airflow", "workbench.debug"},
    "workbench.cli": {"common", "workbench"},
    "workbench.emulators": {"workbench.errors"},
    "workbench.emulator_check": set(),
    "workbench.errors": set(),
    "workbench.debugger": set(),
}


@cache
def modules() -> dict[str, Path]:
    """Every module of the project by its dotted name."""
    files = [file for folder in ("common", "dags", "workbench") for file in (ROOT / folder).rglob("*.py")]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


@cache
def imports(module: str) -> frozenset[str]:
    """What a module imports of this project when it runs, at its top or in functions; not what only types need."""
    tree = ast.parse(modules()[module].read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & modules().keys()) or {node.module}
    return frozenset(name for name in found if name.partition(".")[0] in {"common", "dags", "tests", "workbench"})


def within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def longest_chain(module: str, above: tuple[str, ...] = ()) -> tuple[str, ...]:
    assert module not in above, f"{' -> '.join((*above, module))} is a circle: move what both need to a third module"
    below = [longest_chain(each, (*above, module)) for each in imports(module) if within(each, {CLI}) and each != CLI]
    return (module, *max(below, key=len, default=()))


@pytest.mark.parametrize("package", ALLOWED)
def test_imports(package: str) -> None:
    """Imports run one way."""
    for module in modules():
        if not within(module, {package}):
            continue
        wrong = sorted(each for each in imports(module) if not within(each, {package, *ALLOWED[package]}))
        allowed = ", ".join(sorted(ALLOWED[package])) or "nothing of the project"
        assert not wrong, (
            f"{module} imports {', '.join(wrong)}, but {package} may import {allowed}: "
            "move what both need down into a package that both may import (design: Layout)"
        )


def test_packages_listed() -> None:
    """Every package has a rule."""
    known = {module for module in modules() if module.count(".") < 2} - {"dags", "common", "workbench"}
    missing = sorted(module for module in known if not within(module, set(ALLOWED)))
    assert not missing, f"say in ALLOWED of tests/test_structure.py what {', '.join(missing)} may import"


def test_layers() -> None:
    """The command line is flat: no chain of imports is longer than six modules."""
    deepest = max((longest_chain(module) for module in modules() if within(module, {CLI})), key=len)
    assert len(deepest) <= MOST_LAYERS, (
        f"{' -> '.join(deepest)}: {len(deepest)} modules deep, {MOST_LAYERS} are allowed. "
        "Pass what the lower ones need as an argument, or move it to a module that imports nothing of workbench.cli"
    )


def test_commands_known() -> None:
    """Every module of commands/ is in a group of the help, with a first line and its two functions."""
    for name, command in main.read_commands().items():
        file = f"workbench/cli/commands/{name}.py"
        groups = ", ".join(map(repr, main.GROUPS))
        assert command.group in main.GROUPS, f'{file}: add GROUP = "..." at its top, one of {groups}'
        assert command.summary, f"{file}: begin it with a docstring; its first line is shown by ./dev --help"
        text = (ROOT / file).read_text()
        for function in ("add_arguments", "run"):
            assert f"\ndef {function}(" in text, f"{file}: write {function}(), as the other commands have it"


def test_commands_ordered() -> None:
    """The order of the help names no command that does not exist."""
    named = {name for names in main.GROUPS.values() for name in names}
    gone = sorted(named - main.read_commands().keys())
    assert not gone, f"take {', '.join(gone)} out of GROUPS in workbench/cli/main.py"


def raised() -> dict[str, set[str]]:
    """The codes of all errors in the source, and the files that have them; an error without a code has `failed`."""
    found: dict[str, set[str]] = {}
    for file in [*modules().values(), ROOT / "compose/init.py"]:
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "UserError":
                given = [*node.args[3:4], *(keyword.value for keyword in node.keywords if keyword.arg == "code")]
                passed_on = any(keyword.arg is None for keyword in node.keywords)
                if passed_on or (given and not isinstance(given[0], ast.Constant)):
                    continue  # an error from elsewhere, with its code
                code = ast.literal_eval(given[0]) if given else "failed"
                found.setdefault(code, set()).add(str(file.relative_to(ROOT)))
    return found


def test_codes_documented() -> None:
    """Every error code is listed in the reference, and every listed code exists."""
    page = (ROOT / "docs/reference/json.md").read_text().partition("## Error codes")[2]
    listed = set(re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE))
    missing, gone = sorted(raised().keys() - listed), sorted(listed - raised().keys())
    assert not missing, f"add a line to the table of docs/reference/json.md for {', '.join(missing)}"
    assert not gone, f"no error has the code {', '.join(gone)}: take its line out of docs/reference/json.md"


def test_codes_given() -> None:
    """Every error of the command line has a code of its own, in words with dashes."""
    for code in raised():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code), f"{code}: write a code in words with dashes, such as port-taken"
    without = sorted(file for file in raised().get("failed", ()) if file.startswith("workbench/cli"))
    assert not without, f"give each UserError in {', '.join(without)} a code, and list it in docs/reference/json.md"

"""`./dev test` runs what was asked for, as pytest itself would say it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.report import LAYERS
from workbench.cli import main
from workbench.cli.commands import test as command
from workbench.cli.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PARALLEL = {"--no-loadscope-reorder"}
PASSES = "def test_one():\n    pass\n\ndef test_two():\n    pass\n"


def words(*typed: str) -> list[str]:
    """Return pytest's arguments for what was typed after `./dev test`."""
    return command.arguments(main.build_parser(["test"]).parse_args(["test", *typed]))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ((), {"-m", "not containers"} | PARALLEL),
        (("--all",), PARALLEL),
        (("-m", "native"), {"-m", "native"} | PARALLEL),
        (("-k", "alert"), {"-k", "alert", "-m", "not containers"}),
        (("tests/test_dev.py::test_x",), {"tests/test_dev.py::test_x"}),
        (("tests", "-k", "alert"), {"tests", "-k", "alert"}),
        (("-m", "unit", "--", "-p", "no:cacheprovider"), {"-m", "unit", "-p", "no:cacheprovider"} | PARALLEL),
        (("--", "-x"), {"-m", "not containers", "-x"} | PARALLEL),
    ],
)
def test_arguments(typed: tuple[str, ...], expected: set[str]) -> None:
    """What is named runs in one process; layers run in parallel; containers only where they are asked for."""
    found = words(*typed)
    assert {word for word in found if not word.startswith("--numprocesses=")} == expected
    assert any(word.startswith("--numprocesses=") for word in found) == (expected >= PARALLEL)


def test_layers() -> None:
    """Every layer is a marker that pytest knows."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert {marker.partition(":")[0] for marker in options["markers"]} == set(command.LAYERS) == set(LAYERS)


@pytest.mark.parametrize("options", [["-p", "no:xdist"], ["-n2"]])
def test_report(tmp_path: Path, options: list[str]) -> None:
    """A run ends with minutes of each layer and its slowest tests, and prints a failure at once."""
    (tmp_path / "test_some.py").write_text(PASSES + "\ndef test_three():\n    assert False\n")
    pytest_words = ["-p", "tests.report", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", *options, str(tmp_path)]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *pytest_words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    failed = "FAILED test_some.py::test_three (call)"
    assert failed in ran.stdout
    assert ran.stdout.index(failed) < ran.stdout.index("= FAILURES =")
    summary = ran.stdout.partition("= time =")[2]
    assert "3 tests" in summary
    assert " s   test_some.py::test_one" in summary
    assert "\nFAILED " in summary.partition("short test summary")[2]

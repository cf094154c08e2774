"""The groups of a parallel run are those of the files that exist."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from tests.parallel import GROUPS, LONGEST, TURNS, group_of
from tests.report import LAYERS

ROOT = Path(__file__).resolve().parent.parent


def test_groups() -> None:
    """Each pattern matches a file of tests."""
    files = [str(path.relative_to(ROOT)) for path in ROOT.glob("tests/**/test_*.py")]
    unused = [pattern for pattern in GROUPS if not any(fnmatch(file, pattern) for file in files)]
    assert unused == [], "a file was renamed: change its name in GROUPS of tests/parallel.py"


def test_shared() -> None:
    """Tests that use the same running environment are in one group, the others in their file's."""
    assert group_of("tests/native/test_conn.py::test_x") == group_of("tests/native/test_shell.py::test_y[a::b]")
    assert group_of("tests/native/test_alerts.py::test_x") != group_of("tests/native/test_shell.py::test_y")
    assert group_of("tests/test_dev.py::test_x") == "tests/test_dev.py"


def test_turns() -> None:
    """Each layer has its turn, and what begins first is a group or a file."""
    assert set(TURNS) == set(LAYERS)
    assert [name for name in LONGEST if name not in GROUPS.values() and not (ROOT / name).is_file()] == []

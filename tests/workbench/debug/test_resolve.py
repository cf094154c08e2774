"""A DAG that is not there is said to be so, with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workbench.debug.resolve import find
from workbench.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def test_missing(tmp_path: Path) -> None:
    """A file that does not exist is an error that says where it was expected."""
    with pytest.raises(UserError) as refused:
        find(None, tmp_path / "nowhere.py")
    assert (refused.value.what, refused.value.why) == (
        f"file {tmp_path}/nowhere.py does not exist",
        f"there is no file at {tmp_path}/nowhere.py",
    )


def test_uncalled(tmp_path: Path) -> None:
    """A file whose DAG is never made is an error.

    Most often the call is what is missing.
    """
    file = tmp_path / "uncalled.py"
    file.write_text("from airflow.sdk import dag\n\n@dag(schedule=None)\ndef uncalled():\n    pass\n")
    with pytest.raises(UserError) as refused:
        find(None, file)
    assert refused.value.what == "uncalled.py defines no DAG"
    assert "call the function" in refused.value.fix


def test_broken(tmp_path: Path) -> None:
    """A file that does not import is an error that says where."""
    file = tmp_path / "broken.py"
    file.write_text("from airflow.sdk import dag\nimport nothing_of_the_sort\n")
    with pytest.raises(UserError) as refused:
        find(None, file)
    assert "broken.py" in refused.value.why
    assert "nothing_of_the_sort" in refused.value.why
    assert refused.value.fix == "fix the file"

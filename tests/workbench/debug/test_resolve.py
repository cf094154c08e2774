"""A DAG that is not there is said to be so, with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workbench.debug.resolve import find
from workbench.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError) as told:
        find(None, tmp_path / "nowhere.py")
    assert (told.value.what, told.value.why) == (
        f"file {tmp_path}/nowhere.py does not exist",
        f"nothing is at {tmp_path}/nowhere.py",
    )


def test_a_file_whose_dag_is_never_made(tmp_path: Path) -> None:
    """Most often the call is what is missing."""
    file = tmp_path / "uncalled.py"
    file.write_text("from airflow.sdk import dag\n\n@dag(schedule=None)\ndef uncalled():\n    pass\n")
    with pytest.raises(UserError) as told:
        find(None, file)
    assert told.value.what == "uncalled.py defines no DAG"
    assert "call the function" in told.value.fix


def test_a_file_that_does_not_import_says_where(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("from airflow.sdk import dag\nimport nothing_of_the_sort\n")
    with pytest.raises(UserError) as told:
        find(None, file)
    assert "broken.py" in told.value.why
    assert "nothing_of_the_sort" in told.value.why
    assert told.value.fix == "fix the file"

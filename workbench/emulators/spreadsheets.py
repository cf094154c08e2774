"""Spreadsheets on the disk: a folder for each, with a CSV file for each tab.

To edit a sheet, edit its file. `spreadsheet.json` beside the files holds the title; `"shared": false` in it takes the
spreadsheet from the service account.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

DEFAULT_ROWS, DEFAULT_COLUMNS = 1000, 26  # the grid of a new sheet


@dataclass(frozen=True)
class Tab:
    """One sheet of a spreadsheet."""

    title: str
    rows: list[list[str]]

    @property
    def size(self) -> tuple[int, int]:
        """Return the number of rows and columns of the grid, at least those of a new sheet."""
        widest = max((len(row) for row in self.rows), default=0)
        return max(DEFAULT_ROWS, len(self.rows)), max(DEFAULT_COLUMNS, widest)


@dataclass(frozen=True)
class Spreadsheet:
    """A spreadsheet and its tabs."""

    id: str
    title: str
    shared: bool
    tabs: list[Tab]


class SpreadsheetStore:
    """The spreadsheets in a folder.

    :param folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def ids(self) -> list[str]:
        """Return the id of every spreadsheet."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir())

    def get(self, spreadsheet_id: str) -> Spreadsheet | None:
        """Read a spreadsheet from the disk, so that an edit shows at once; None where it does not exist."""
        if spreadsheet_id not in self.ids():  # compared, not joined: an id is a client's, and may be ../..
            return None
        folder = self.folder / spreadsheet_id
        about = folder / "spreadsheet.json"
        known = json.loads(about.read_text()) if about.exists() else {}
        tabs = [Tab(path.stem, _read(path)) for path in sorted(folder.glob("*.csv"))]
        return Spreadsheet(spreadsheet_id, known.get("title", spreadsheet_id), known.get("shared", True), tabs)

    def write(self, spreadsheet_id: str, title: str, tabs: dict[str, Iterable[Sequence[str]]]) -> None:
        """Create or replace a spreadsheet."""
        folder = self.folder / spreadsheet_id
        folder.mkdir(parents=True, exist_ok=True)
        for tab, rows in tabs.items():
            draft = folder / f".{tab}.new"
            with draft.open("w", newline="") as file:
                csv.writer(file).writerows(rows)
            draft.replace(folder / f"{tab}.csv")
        (folder / "spreadsheet.json").write_text(json.dumps({"title": title, "shared": True}) + "\n")


def _read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))

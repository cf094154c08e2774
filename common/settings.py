"""What the environment decides, read from `TELECOMS_*`; connections decide the rest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Settings:
    """Names of the places that the pipeline reads from and writes to.

    :param source_bucket: holds the CSV and JSON sources.
    :param lake_bucket: holds the raw zone under `raw/`.
    :param agents_spreadsheet: the Google spreadsheet's id.
    :param agents_range: its tab, or a range in A1 notation.
    :param storage_integration: lets a real Snowflake read the lake's bucket; an emulator needs none.
    :param start: the first day with daily files.
    :param end: the last one; None leaves it open.
    """

    source_bucket: str
    lake_bucket: str
    agents_spreadsheet: str
    agents_range: str
    storage_integration: str
    start: datetime
    end: datetime | None

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the environment.

        :raises ValueError: where a date is none, naming the variable.
        """
        return cls(
            source_bucket=_text("TELECOMS_SOURCE_BUCKET", "telecoms-source"),
            lake_bucket=_text("TELECOMS_LAKE_BUCKET", "telecoms-lake"),
            agents_spreadsheet=_text("TELECOMS_AGENTS_SPREADSHEET_ID", "telecoms-agents"),
            agents_range=_text("TELECOMS_AGENTS_RANGE", "agents"),
            storage_integration=_text("TELECOMS_STORAGE_INTEGRATION", ""),
            start=_day("TELECOMS_START_DATE", "2025-11-20"),
            end=_day("TELECOMS_END_DATE", "") if _text("TELECOMS_END_DATE", "") else None,
        )


def _text(name: str, default: str) -> str:
    return os.environ.get(name, "").strip() or default


def _day(name: str, default: str) -> datetime:
    text = _text(name, default)
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{name} is {text!r}: write a day as YYYY-MM-DD") from None

"""What the environment decides, read from `TELECOMS_*`; connections decide the rest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Settings:
    """Where the pipeline reads from and writes to, and for which days.

    :param source_bucket: holds the CSV and JSON sources.
    :param lake_bucket: holds the raw zone under `raw/`.
    :param storage_integration: lets a real Snowflake read the lake's bucket; the emulator needs none.
    :param start: the first day with daily files.
    :param end: the last one; None leaves it open.
    """

    source_bucket: str
    lake_bucket: str
    storage_integration: str
    start: datetime
    end: datetime | None

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the environment.

        :raises ValueError: where a date is not valid, naming the variable.
        """
        return cls(
            source_bucket=_text("TELECOMS_SOURCE_BUCKET", "telecoms-source"),
            lake_bucket=_text("TELECOMS_LAKE_BUCKET", "telecoms-lake"),
            storage_integration=_text("TELECOMS_STORAGE_INTEGRATION", ""),
            start=_day("TELECOMS_START_DATE", "2025-11-20"),
            end=_day("TELECOMS_END_DATE", "") if _text("TELECOMS_END_DATE", "") else None,
        )


def sheet_of(dataset: str) -> tuple[str, str]:
    """Return the id of a dataset's Google spreadsheet, and in it a tab's name or a range in A1 notation.

    For the dataset `agents` these are TELECOMS_AGENTS_SPREADSHEET_ID (default `telecoms-agents`) and
    TELECOMS_AGENTS_RANGE (default `agents`).
    """
    prefix = f"TELECOMS_{dataset.upper()}"
    return _text(f"{prefix}_SPREADSHEET_ID", f"telecoms-{dataset}"), _text(f"{prefix}_RANGE", dataset)


def _text(name: str, default: str) -> str:
    return os.environ.get(name, "").strip() or default


def _day(name: str, default: str) -> datetime:
    text = _text(name, default)
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, which is not a valid date: write it as YYYY-MM-DD") from None

"""The datasets: their columns, where they come from and where they go. A new source begins here.

A dataset has an asset (`common.assets.RAW`) and a table in the warehouse by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What an ingest checks a column's cells for; the lake keeps all of them as text."""

    TEXT = "text"
    DATE = "date"  # a date or a timestamp, in ISO form or as DD/MM/YYYY


@dataclass(frozen=True)
class Dataset:
    """One source, its key in the lake and its table in the warehouse.

    :param name: as in the lake's keys, and in capitals the warehouse's table.
    :param columns: canonical name -> kind, in order.
    :param source: the key in the source bucket, with `{partition}` if it is daily; empty for a Google sheet, which
        `TELECOMS_<NAME>_SPREADSHEET_ID` and `TELECOMS_<NAME>_RANGE` name (`common.settings.sheet_of`).
    :param daily: a file for each day; otherwise the one partition is `CURRENT`.
    """

    name: str
    columns: dict[str, Kind]
    source: str = ""
    daily: bool = False

    @property
    def table(self) -> str:
        """Return the name of its table in the warehouse's schema RAW."""
        return self.name.upper()

    def source_key(self, partition: str) -> str:
        """Return the key of a partition in the source bucket."""
        return self.source.format(partition=partition)

    def lake_key(self, partition: str) -> str:
        """Return the key of a partition in the lake: it depends on the partition alone, so that a rerun replaces it."""
        folder = f"{partition.replace('-', '/')}/" if self.daily else ""
        return f"raw/{self.name}/{folder}{self.name}.parquet"


#: The one partition of a dataset that is not daily.
CURRENT = "current"

#: Columns that every ingest adds: the 1-based data row of the source, and when it was read (UTC).
ROW = "_row"
INGESTED_AT = "_ingested_at"

_TEXT, _DATE = Kind.TEXT, Kind.DATE

AGENTS = Dataset("agents", {"id": _TEXT, "name": _TEXT, "experience": _TEXT, "state": _TEXT})
CUSTOMERS = Dataset(
    "customers",
    {
        "customer_id": _TEXT,
        "name": _TEXT,
        "gender": _TEXT,
        "date_of_birth": _DATE,
        "signup_date": _DATE,
        "email": _TEXT,
        "address": _TEXT,
    },
    source="customers/customers_dataset.csv",
)
CALL_LOGS = Dataset(
    "call_logs",
    {
        "call_id": _TEXT,
        "customer_id": _TEXT,
        "complaint_category": _TEXT,
        "agent_id": _TEXT,
        "call_start_time": _DATE,
        "call_end_time": _DATE,
        "resolution_status": _TEXT,
        "call_logs_generation_date": _DATE,
    },
    source="call logs/call_logs_day_{partition}.csv",
    daily=True,
)
SOCIAL_MEDIA = Dataset(
    "social_media",
    {
        "complaint_id": _TEXT,
        "customer_id": _TEXT,
        "complaint_category": _TEXT,
        "agent_id": _TEXT,
        "resolution_status": _TEXT,
        "request_date": _DATE,
        "resolution_date": _DATE,
        "media_channel": _TEXT,
        "media_complaint_generation_date": _DATE,
    },
    source="social_medias/media_complaint_day_{partition}.json",
    daily=True,
)

#: All of the above, by name.
DATASETS = {value.name: value for value in tuple(globals().values()) if isinstance(value, Dataset)}

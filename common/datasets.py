"""The four datasets: their columns, where they come from and where they go in the lake."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a column's cells are checked for; the lake keeps all of them as text."""

    TEXT = "text"
    DATE = "date"  # a date or a timestamp, in ISO form or as DD/MM/YYYY


@dataclass(frozen=True)
class Dataset:
    """One source and its place in the lake and the warehouse.

    :param name: as in the lake's keys and, in capitals, the warehouse's table.
    :param columns: canonical name -> kind, in order.
    :param source: the object's key with `{partition}`, or "" for the sheet.
    :param daily: a file for each day; otherwise the one partition is `CURRENT`.
    """

    name: str
    columns: dict[str, Kind]
    source: str = ""
    daily: bool = False

    @property
    def table(self) -> str:
        """The table in the warehouse's RAW schema."""
        return self.name.upper()

    def source_key(self, partition: str) -> str:
        """Where the source bucket holds this partition."""
        return self.source.format(partition=partition)

    def lake_key(self, partition: str) -> str:
        """Where the lake holds this partition: decided by the partition alone, so that a rerun replaces."""
        folder = f"{partition.replace('-', '/')}/" if self.daily else ""
        return f"raw/{self.name}/{folder}{self.name}.parquet"


#: The partition of a dataset that is replaced as a whole.
CURRENT = "current"

#: Added to every dataset at ingest: the 1-based data row of the source, and when it was read (UTC).
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

DATASETS = {dataset.name: dataset for dataset in (AGENTS, CUSTOMERS, CALL_LOGS, SOCIAL_MEDIA)}

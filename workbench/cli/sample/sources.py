"""What the sources hold, counted without the pipeline's parsers: what `./dev demo` expects in the warehouse."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

CUSTOMERS_KEY = "customers/customers_dataset.csv"
CALLS_KEY = "call logs/call_logs_day_{day}.csv"
COMPLAINTS_KEY = "social_medias/media_complaint_day_{day}.json"

Row = dict[str, Any]


@dataclass(frozen=True)
class Sources:
    """All source rows, their headings squashed to lower-case letters and digits.

    :ivar calls: day -> rows.
    :ivar complaints: day -> rows.
    """

    customers: list[Row]
    agents: list[Row]
    calls: dict[date, list[Row]]
    complaints: dict[date, list[Row]]

    def rows(self) -> dict[str, int]:
        """Rows of each dataset, duplicates included."""
        return {
            "agents": len(self.agents),
            "customers": len(self.customers),
            "call_logs": sum(map(len, self.calls.values())),
            "social_media": sum(map(len, self.complaints.values())),
        }

    def marts(self) -> dict[str, int]:
        """Rows that each mart must have: one a customer, one an agent, one a call or complaint."""
        facts = _distinct(self.calls.values(), "callid") + _distinct(self.complaints.values(), "complaintid")
        return {
            "dim_customers": _distinct([self.customers], "customerid"),
            "dim_agents": _distinct([self.agents], "id"),
            "fct_complaints": facts,
            "obt_complaints_overview": facts,
        }

    def without_agent(self) -> int:
        """Count the calls and complaints whose agent is missing from the sheet."""
        known = {_key(row["id"]) for row in self.agents}
        latest: dict[tuple[str, str], str] = {}
        for kind, name, days in (("call", "callid", self.calls), ("complaint", "complaintid", self.complaints)):
            for day in sorted(days):
                latest |= {(kind, _key(row[name])): _key(row["agentid"]) for row in days[day]}
        return sum(agent not in known for agent in latest.values())


def read(settings: Mapping[str, str], days: Iterable[date]) -> Sources:
    """Read every source whole, by the connections of the running environment.

    :param settings: the environment that Airflow's processes have.
    """
    # Airflow's hooks are imported once its environment is set, and only for this command.
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook  # noqa: PLC0415

    client = S3Hook("aws_default").get_conn()
    bucket = settings["TELECOMS_SOURCE_BUCKET"]

    def text(key: str) -> str:
        return str(client.get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    days = list(days)
    return Sources(
        customers=_csv_rows(text(CUSTOMERS_KEY)),
        agents=_sheet_rows(settings),
        calls={day: _csv_rows(text(CALLS_KEY.format(day=day))) for day in days},
        complaints={day: list(map(_squashed, json.loads(text(COMPLAINTS_KEY.format(day=day))))) for day in days},
    )


def _sheet_rows(settings: Mapping[str, str]) -> list[Row]:
    from common import sheets  # noqa: PLC0415 as above

    values = sheets.read_values(settings["TELECOMS_AGENTS_SPREADSHEET_ID"], settings["TELECOMS_AGENTS_RANGE"])
    heading, *rows = values
    return [_squashed(dict(zip(heading, row + [""] * (len(heading) - len(row)), strict=True))) for row in rows]


def _csv_rows(text: str) -> list[Row]:
    return [_squashed(row) for row in csv.DictReader(io.StringIO(text, newline=""))]


def _squashed(row: Mapping[str, Any]) -> Row:
    return {re.sub(r"[^a-z0-9]", "", name.lower()): value for name, value in row.items()}


def _distinct(parts: Iterable[list[Row]], column: str) -> int:
    return len({_key(row[column]) for rows in parts for row in rows})


def _key(value: Any) -> str:
    return str(value).strip()

"""The sample data: the same from the same seed, and as messy as the real sources."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from workbench.emulators import sample
from workbench.emulators.instance import default_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DAYS = [dt.date(2025, 11, 20) + dt.timedelta(days=number) for number in range(3)]
ISO, BRITISH = re.compile(r"\d{4}-\d\d-\d\d"), re.compile(r"\d\d/\d\d/\d{4}")


def made(folder: Path, days: Sequence[dt.date] = DAYS, scale: int = 1, seed: int = 0) -> dict[str, bytes]:
    sample.generate(sample.FolderSink(folder), days=days, scale=scale, seed=seed)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return made(tmp_path_factory.mktemp("sources"))


def table(content: bytes) -> tuple[list[str], list[dict[str, str]]]:
    rows = list(csv.reader(content.decode().splitlines(keepends=True)))
    return rows[0], [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def in_two_formats(values: list[str]) -> bool:
    """Return whether each value is a date in one of the formats, and both occur."""
    return (
        all(ISO.fullmatch(value) or BRITISH.fullmatch(value) for value in values)
        and any(map(ISO.fullmatch, values))
        and any(map(BRITISH.fullmatch, values))
    )


def test_seed(tmp_path: Path, sources: dict[str, bytes]) -> None:
    """A seed produces the same bytes, whichever days are generated."""
    one_day = made(tmp_path / "one", days=DAYS[1:2])
    assert one_day == {name: sources[name] for name in one_day}
    assert (
        made(tmp_path / "other", seed=1)["customers/customers_dataset.csv"]
        != one_day["customers/customers_dataset.csv"]
    )


def test_scale(tmp_path: Path, sources: dict[str, bytes]) -> None:
    """The scale multiplies the size."""
    larger = made(tmp_path, days=DAYS[:1], scale=3)
    for name in larger:
        assert 2.8 < len(larger[name]) / len(sources[name]) < 3.2


def test_customers(sources: dict[str, bytes]) -> None:
    """Customers are as messy as the source."""
    head, rows = table(sources["customers/customers_dataset.csv"])
    assert head == ["customer iD", "name", "Gender", "DATE of biRTH", "signup DATE", "email", "address"]
    ids = [row["customer iD"] for row in rows]
    assert len(set(ids)) == 1000 < len(ids)
    assert any(row["email"] != row["email"].lower() for row in rows)
    assert any(row["email"] != row["email"].strip() for row in rows)
    assert any(row["name"] != row["name"].strip() for row in rows)
    assert any("\n" in row["address"] for row in rows)
    assert any('"' in row["address"] for row in rows)
    assert any(not row["address"] for row in rows)
    assert any(not row["Gender"] for row in rows)
    assert in_two_formats([row["DATE of biRTH"] for row in rows])
    assert in_two_formats([row["signup DATE"] for row in rows])


def test_call_logs(sources: dict[str, bytes]) -> None:
    """Call logs are as messy as the source."""
    agents = {row["iD"] for row in table(sources["sheets/agents.csv"])[1]}
    days = [table(sources[f"call logs/call_logs_day_{day}.csv"]) for day in DAYS]
    for head, rows in days:
        assert head == [
            "Unnamed: 0", "call ID", "customeR iD", "COMPLAINT_catego ry", "agent ID", "call_start_time",
            "call_end_time", "resolutionstatus", "callLogsGenerationDate",
        ]  # fmt: skip
        assert [row["Unnamed: 0"] for row in rows] == [str(number) for number in range(len(rows))]
        assert len({row["call ID"] for row in rows}) == 500 < len(rows)
        assert {row["agent ID"] for row in rows} - agents
        assert any(not row["call_end_time"] for row in rows)
        assert any(not row["resolutionstatus"] for row in rows)
        assert in_two_formats([row["callLogsGenerationDate"] for row in rows])
    sent = [{row["call ID"]: row["customeR iD"] for row in rows} for _, rows in days]
    again = sent[0].keys() & sent[1].keys()
    assert again
    assert all(sent[0][call] == sent[1][call] for call in again)


def test_complaints(sources: dict[str, bytes]) -> None:
    """Complaints are as messy as the source."""
    for day in DAYS:
        records: list[dict[str, Any]] = json.loads(sources[f"social_medias/media_complaint_day_{day}.json"])
        assert {tuple(record) for record in records} == {
            (
                "complaint_id", "customeR iD", "COMPLAINT_catego ry", "agent ID", "resolutionstatus", "request_date",
                "resolution_date", "media_channel", "MediaComplaintGenerationDate",
            )
        }  # fmt: skip
        assert len({record["complaint_id"] for record in records}) == 200
        assert {None, ""} <= {record["resolution_date"] for record in records}
        assert in_two_formats([record["request_date"] for record in records])


def test_names() -> None:
    """The names are those in the pipeline's settings."""
    names = ("EMULATORS_HOST", "EMULATORS_PORT", "EMULATORS_S3_PORT", "EMULATORS_SNOWFLAKE_PORT", "KEYS_DIR")
    settings = default_settings(dict.fromkeys(names, "1"))
    assert settings["TELECOMS_SOURCE_BUCKET"] == sample.SOURCE_BUCKET
    assert settings["TELECOMS_LAKE_BUCKET"] == sample.LAKE_BUCKET
    assert settings["TELECOMS_AGENTS_SPREADSHEET_ID"] == sample.SPREADSHEET
    assert [settings["TELECOMS_START_DATE"], settings["TELECOMS_END_DATE"]] == [str(DAYS[0]), str(DAYS[-1])]

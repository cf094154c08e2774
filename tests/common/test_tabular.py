"""Reading CSV, JSON and sheets, and writing Parquet."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import tabular
from common.datasets import AGENTS, CALL_LOGS, CUSTOMERS, DATASETS, SOCIAL_MEDIA
from common.errors import BadDataError

ROOT = Path(__file__).resolve().parents[2]
AGENTS_HEAD = "iD,NamE,experience,state\n"
NOW = datetime(2025, 11, 23, tzinfo=UTC)

# Text that CSV and Parquet can hold; zero bytes are refused, see below.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def read_csv(content: str | bytes, dataset: Any = AGENTS) -> list[dict[str, Any]]:
    stream = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return [row for batch in tabular.read_csv(stream, dataset, "file.csv") for row in batch.to_pylist()]


def read_json(content: str, dataset: Any = SOCIAL_MEDIA) -> list[dict[str, Any]]:
    batches = tabular.read_json(io.BytesIO(content.encode()), dataset, "file.json")
    return [row for batch in batches for row in batch.to_pylist()]


def complaint(**changes: Any) -> dict[str, Any]:
    record = {
        "complaint_id": "1", "customeR iD": "2", "COMPLAINT_catego ry": "Billing", "agent ID": 7,
        "resolutionstatus": "open", "request_date": "2025-11-20", "resolution_date": None, "media_channel": "X",
        "MediaComplaintGenerationDate": "20/11/2025",
    }  # fmt: skip
    return record | changes


def write(batches: Any, dataset: Any = AGENTS) -> pa.Table:
    sink = io.BytesIO()
    tabular.write_parquet(batches, sink, dataset, "file.csv", NOW)
    return pq.read_table(io.BytesIO(sink.getvalue()))


@given(
    rows=st.lists(st.tuples(texts, texts, texts, texts), min_size=1, max_size=30),
    block=st.integers(1, 200),
    bom=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_text_comes_through_csv_unchanged_whatever_the_block_size(
    rows: list[tuple[str, ...]], block: int, bom: bool, line_end: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerow(["iD", "NamE", "experience", "state"])
    writer.writerows(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tabular, "BLOCK", block)
        found = read_csv((b"\xef\xbb\xbf" if bom else b"") + text.getvalue().encode())
    assert [tuple(row.values()) for row in found] == rows


@settings(max_examples=30)
@given(st.data())
def test_headings_are_found_whatever_their_case_blanks_punctuation_and_order(data: st.DataObject) -> None:
    dataset = data.draw(st.sampled_from(list(DATASETS.values())))
    columns = data.draw(st.permutations(list(dataset.columns)))

    def messy(column: str) -> str:
        mixed = [
            letter.upper() if data.draw(st.booleans()) else letter + data.draw(st.sampled_from(["", " ", "_", "-"]))
            for letter in column.replace("_", data.draw(st.sampled_from(["_", " ", ""])))
        ]
        return "".join(mixed)

    found = tabular.match_headings(dataset, ["Unnamed: 0", *map(messy, columns)], "f")
    assert found == {column: columns.index(column) + 1 for column in dataset.columns}


def test_the_real_sources_headings_are_found() -> None:
    calls = "Unnamed: 0,call ID,customeR iD,COMPLAINT_catego ry,agent ID,call_start_time,call_end_time,resolutionstatus"
    assert list(tabular.match_headings(CALL_LOGS, [*calls.split(","), "callLogsGenerationDate"], "f").values()) == [
        *range(1, 9)
    ]
    customers = "customer iD,name,Gender,DATE of biRTH,signup DATE,email,address"
    assert list(tabular.match_headings(CUSTOMERS, customers.split(","), "f").values()) == [*range(7)]


def test_a_missing_column_is_named_with_what_was_expected_and_found() -> None:
    with pytest.raises(BadDataError) as error:
        read_csv("iD,NamE,years,state\n1,a,2,b\n")
    assert str(error.value) == (
        "file.csv, column experience: experience missing; expected id, name, experience, state; "
        "found 'iD, NamE, years, state'"
    )


def test_two_headings_for_one_column_are_refused() -> None:
    with pytest.raises(BadDataError, match=r"'iD' and 'I D' mean the same"):
        read_csv("iD,NamE,experience,state,I D\n1,a,2,b,3\n")


def test_an_unknown_column_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert read_csv("iD,NamE,experience,state,shoe\n1,a,2,b,3\n") == [
        {"id": "1", "name": "a", "experience": "2", "state": "b"}
    ]
    assert "shoe" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "file.csv: is empty"),
        (" \n", "file.csv: is empty"),
        ("iD;NamE;experience;state\n1;a;2;b\n", "file.csv, column id: cells are separated by ';' instead of ','"),
        (AGENTS_HEAD + "1,a,2,b\n2,b,3,c,d\n", "file.csv, row 2: has 5 fields instead of 4: '2,b,3,c,d'"),
        (AGENTS_HEAD + "1,a,2,b\n2,b\n", "file.csv, row 2: has 2 fields instead of 4: '2,b'"),
        (AGENTS_HEAD + '1,a,2,b\n2,"b', "file.csv: a quote is opened and not closed: the file is probably cut off"),
        (AGENTS_HEAD.encode() + b"1,a,2,b\n2,caf\xe9,3,c\n", r"file.csv, row 2, column name: b'caf\xe9' is not UTF-8"),
        (b"iD,N\xe4m\n", "file.csv: the headings are not UTF-8 (byte 4)"),
        (AGENTS_HEAD.encode("utf-16"), "file.csv: is not UTF-8 text (it looks like UTF-16): save it as UTF-8"),
    ],
)  # fmt: skip
def test_a_broken_csv_file_is_refused_by_file_row_and_column(content: str | bytes, message: str) -> None:
    with pytest.raises(BadDataError) as error:
        read_csv(content)
    assert str(error.value) == message


def test_rows_are_counted_across_blocks_and_quoted_newlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "BLOCK", 64)
    rows = "".join(f'{number},"a\nb",2,c\n' for number in range(100))
    with pytest.raises(BadDataError, match="row 101: has 3 fields"):
        read_csv(AGENTS_HEAD + rows + "1,2,3\n")


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "BLOCK", 1 << 10)
    monkeypatch.setattr(tabular, "LONGEST_ROW", 1 << 20)
    with pytest.raises(BadDataError, match="a row is longer than 1 MiB"):
        read_csv(AGENTS_HEAD + '1,"' + "a,b,c,d\n" * (1 << 18))


@pytest.mark.parametrize("as_lines", [False, True])
def test_json_comes_as_an_array_or_as_lines(as_lines: bool) -> None:
    records = [complaint(), complaint(complaint_id=2.5, media_channel="")]
    text = "\n".join(map(json.dumps, records)) if as_lines else json.dumps(records, indent=1)
    first, second = read_json(text)
    assert first["agent_id"] == "7"
    assert first["resolution_date"] is None
    assert first["media_complaint_generation_date"] == "20/11/2025"
    assert (second["complaint_id"], second["media_channel"]) == ("2.5", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file.json: is empty"),
        ("[1]", "file.json, row 1: is 1, which is not a record"),
        (json.dumps([complaint(), complaint()])[:-20], "file.json, row 2: is not JSON, or cut off"),
        ('{"complaint_id": 1}\n{"complaint_id"', "file.json, row 1, column customer_id: customer_id, complaint_"),
        (json.dumps([complaint(request_date={"at": 1})]), "file.json, row 1, column request_date: {'at': 1} is not a"),
        (json.dumps([{k: v for k, v in complaint().items() if k != "agent ID"}]), "row 1, column agent_id: agent_id"),
        ("<html>", "file.json, row 1: is not JSON, or cut off"),
    ],
)  # fmt: skip
def test_broken_json_is_refused_by_file_row_and_column(text: str, message: str) -> None:
    with pytest.raises(BadDataError) as error:
        read_json(text)
    assert message in str(error.value)


def test_a_sheet_may_lack_empty_cells_at_the_end_of_a_row() -> None:
    cells = [["iD", "NamE", "experience", "state"], ["1", "a"], [2, "b", 3.5, True]]
    (batch,) = tabular.read_cells(cells, AGENTS, "sheet")
    assert batch.to_pylist() == [
        {"id": "1", "name": "a", "experience": None, "state": None},
        {"id": "2", "name": "b", "experience": "3.5", "state": "true"},
    ]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([], "sheet: is empty"),
        ([["iD", "NamE", "years", "state"]], "sheet, column experience: experience missing"),
        ([["iD", "NamE", "experience", "state"], ["1", "a", "2", "b", "c"]], "sheet, row 1: has 5 cells under 4"),
    ],
)  # fmt: skip
def test_a_broken_sheet_is_refused(cells: list[list[str]], message: str) -> None:
    with pytest.raises(BadDataError) as error:
        list(tabular.read_cells(cells, AGENTS, "sheet"))
    assert message in str(error.value)


def test_parquet_has_the_row_number_and_the_time_of_ingest() -> None:
    table = write(tabular.read_csv(io.BytesIO(f"{AGENTS_HEAD}7,a,2,b\n8,,,\n".encode()), AGENTS, "f"))
    assert table.column_names == ["id", "name", "experience", "state", "_row", "_ingested_at"]
    assert table["_row"].to_pylist() == [1, 2]
    assert table["_ingested_at"].to_pylist() == [NOW, NOW]
    assert table["name"].to_pylist() == ["a", ""]


def test_headings_without_rows_are_refused() -> None:
    with pytest.raises(BadDataError, match="has no rows"):
        write(tabular.read_csv(io.BytesIO(AGENTS_HEAD.encode()), AGENTS, "f"))


def customers_born(*births: str) -> Any:
    lines = "".join(f"{number},n,m,{birth},2020-01-01,e,a\n" for number, birth in enumerate(births))
    content = f"customer iD,name,Gender,DATE of biRTH,signup DATE,email,address\n{lines}"
    return tabular.read_csv(io.BytesIO(content.encode()), CUSTOMERS, "f")


@pytest.mark.parametrize(
    "date",
    [
        "2025-11-20", "20/11/2025", " 20/11/2025 ", "", "2024-02-29", "2025-11-20 23:59:59", "20/11/2025 10:00",
        "2025-11-20T10:00:00.5",
    ],
)  # fmt: skip
def test_dates_are_iso_or_day_first_or_empty(date: str) -> None:
    assert write(customers_born("2000-01-01", date), CUSTOMERS).num_rows == 2


@pytest.mark.parametrize(
    "date",
    [
        "2025-02-30", "31/02/2025", "11/20/2025", "20/11/25", "2025-13-01", "soon", "20251120", "2025-11-20 25:00:00",
        "2025-11-20 10", "2025-1-2",
    ],
)  # fmt: skip
def test_what_is_no_date_is_refused_by_row_and_column(date: str) -> None:
    with pytest.raises(BadDataError) as error:
        write(customers_born("2000-01-01", "", date), CUSTOMERS)
    assert str(error.value) == (
        f"file.csv, row 3, column date_of_birth: {date!r} is not a date (YYYY-MM-DD or DD/MM/YYYY)"
    )


def test_reading_and_writing_do_without_pandas() -> None:
    code = """
import io, sys
from common.datasets import AGENTS, CUSTOMERS
from common.ingest import convert
from common import tabular
head = b"customer iD,name,Gender,DATE of biRTH,signup DATE,email,address\\n"
convert(io.BytesIO(head + b"1,a,m,2000-01-01,01/02/2020,e,x\\n"), io.BytesIO(), CUSTOMERS, "f.csv")
convert(io.BytesIO(b'[{"id": 1, "name": "a", "experience": null, "state": "b"}]'), io.BytesIO(), AGENTS, "f.json")
list(tabular.read_cells([["id", "name", "experience", "state"], ["1"]], AGENTS, "sheet"))
sys.exit("pandas" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0

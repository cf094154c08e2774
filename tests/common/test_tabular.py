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
def test_csv(rows: list[tuple[str, ...]], block: int, bom: bool, line_end: str) -> None:
    """Any text comes through CSV unchanged, at any block size."""
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
def test_headings(data: st.DataObject) -> None:
    """Headings match in any case and order, with any blanks and punctuation."""
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


def test_real_headings() -> None:
    """The headings of the specification's files match."""
    calls = "Unnamed: 0,call ID,customeR iD,COMPLAINT_catego ry,agent ID,call_start_time,call_end_time,resolutionstatus"
    assert list(tabular.match_headings(CALL_LOGS, [*calls.split(","), "callLogsGenerationDate"], "f").values()) == [
        *range(1, 9)
    ]
    customers = "customer iD,name,Gender,DATE of biRTH,signup DATE,email,address"
    assert list(tabular.match_headings(CUSTOMERS, customers.split(","), "f").values()) == [*range(7)]


def test_missing_column() -> None:
    """The error of a missing column says what was expected and found."""
    with pytest.raises(BadDataError) as error:
        read_csv("iD,NamE,years,state\n1,a,2,b\n")
    assert str(error.value) == (
        "file.csv, column experience: experience missing; expected id, name, experience, state; "
        "found 'iD, NamE, years, state'"
    )


def test_double_heading() -> None:
    """Two headings for one column are refused."""
    with pytest.raises(BadDataError, match=r"'iD' and 'I D' mean the same"):
        read_csv("iD,NamE,experience,state,I D\n1,a,2,b,3\n")


def test_unknown_column(caplog: pytest.LogCaptureFixture) -> None:
    """An unknown column is ignored, with a warning."""
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
def test_broken_csv(content: str | bytes, message: str) -> None:
    """The error of a broken CSV file names file, row and column."""
    with pytest.raises(BadDataError) as error:
        read_csv(content)
    assert str(error.value) == message


def test_row_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are counted across blocks and quoted newlines."""
    monkeypatch.setattr(tabular, "BLOCK", 64)
    rows = "".join(f'{number},"a\nb",2,c\n' for number in range(100))
    with pytest.raises(BadDataError, match="row 101: has 3 fields"):
        read_csv(AGENTS_HEAD + rows + "1,2,3\n")


def test_open_quote(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quote that is not closed does not fill the memory."""
    monkeypatch.setattr(tabular, "BLOCK", 1 << 10)
    monkeypatch.setattr(tabular, "LONGEST_ROW", 1 << 20)
    with pytest.raises(BadDataError, match="a row is longer than 1 MiB"):
        read_csv(AGENTS_HEAD + '1,"' + "a,b,c,d\n" * (1 << 18))


@pytest.mark.parametrize("as_lines", [False, True])
def test_json(as_lines: bool) -> None:
    """JSON may be an array or lines."""
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
        ("[1]", "file.json, row 1: is 1, which is not an object"),
        (json.dumps([complaint(), complaint()])[:-20], "file.json, row 2: is not JSON, or is cut off"),
        ('{"complaint_id": 1}\n{"complaint_id"', "file.json, row 1, column customer_id: customer_id, complaint_"),
        (json.dumps([complaint(request_date={"at": 1})]), "file.json, row 1, column request_date: {'at': 1} is not a"),
        (json.dumps([{k: v for k, v in complaint().items() if k != "agent ID"}]), "row 1, column agent_id: agent_id"),
        ("<html>", "file.json, row 1: is not JSON, or is cut off"),
    ],
)  # fmt: skip
def test_broken_json(text: str, message: str) -> None:
    """The error of broken JSON names file, row and column."""
    with pytest.raises(BadDataError) as error:
        read_json(text)
    assert message in str(error.value)


def test_cells() -> None:
    """A sheet's row may lack empty cells at its end."""
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
        ([["iD", "NamE", "experience", "state"], ["1", "a", "2", "b", "c"]], "has 5 cells, but there are 4 headings"),
    ],
)  # fmt: skip
def test_broken_sheet(cells: list[list[str]], message: str) -> None:
    """The error of a broken sheet names row or column."""
    with pytest.raises(BadDataError) as error:
        list(tabular.read_cells(cells, AGENTS, "sheet"))
    assert message in str(error.value)


def test_added_columns() -> None:
    """Parquet has the row's number and the time of the ingest."""
    table = write(tabular.read_csv(io.BytesIO(f"{AGENTS_HEAD}7,a,2,b\n8,,,\n".encode()), AGENTS, "f"))
    assert table.column_names == ["id", "name", "experience", "state", "_row", "_ingested_at"]
    assert table["_row"].to_pylist() == [1, 2]
    assert table["_ingested_at"].to_pylist() == [NOW, NOW]
    assert table["name"].to_pylist() == ["a", ""]


def test_no_rows() -> None:
    """Headings without rows are refused."""
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
def test_dates(date: str) -> None:
    """Dates are ISO, day first, or empty."""
    assert write(customers_born("2000-01-01", date), CUSTOMERS).num_rows == 2


@pytest.mark.parametrize(
    "date",
    [
        "2025-02-30", "31/02/2025", "11/20/2025", "20/11/25", "2025-13-01", "soon", "20251120", "2025-11-20 25:00:00",
        "2025-11-20 10", "2025-1-2",
    ],
)  # fmt: skip
def test_bad_dates(date: str) -> None:
    """The error of a date that is not valid names row and column."""
    with pytest.raises(BadDataError) as error:
        write(customers_born("2000-01-01", "", date), CUSTOMERS)
    assert str(error.value) == (
        f"file.csv, row 3, column date_of_birth: {date!r} is not a date (YYYY-MM-DD or DD/MM/YYYY)"
    )


def test_no_pandas() -> None:
    """Reading and writing import no pandas."""
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

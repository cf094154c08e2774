"""Google Sheets, driven by google-auth's AuthorizedSession."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from google.auth.transport.requests import AuthorizedSession

    from workbench.emulators import Connections


@pytest.fixture
def spreadsheet(emulators: Connections, request: pytest.FixtureRequest) -> Path:
    """A spreadsheet of this test's own with two tabs."""
    folder = emulators.data / "sheets" / f"sheet-{hashlib.sha256(request.node.name.encode()).hexdigest()[:20]}"
    folder.mkdir(exist_ok=True)
    (folder / "First tab.csv").write_text("id,name,,\n1,Ada,,\n,,,\n3,,2.50,TRUE\n,,,\n")
    (folder / "empty.csv").write_text("")
    return folder


@pytest.fixture
def url(emulators: Connections, spreadsheet: Path) -> str:
    return f"{emulators.page_url}/v4/spreadsheets/{spreadsheet.name}"


def error(code: int, status: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status}}


def test_values_leave_out_empty_cells_and_rows_at_the_end(google: AuthorizedSession, url: str) -> None:
    assert google.get(f"{url}/values/First tab").json() == {
        "range": "'First tab'!A1:Z1000",
        "majorDimension": "ROWS",
        "values": [["id", "name"], ["1", "Ada"], [], ["3", "", "2.50", "TRUE"]],
    }


@pytest.mark.parametrize(
    ("asked", "normalised", "values"),
    [
        ("'First tab'!A1:B2", "'First tab'!A1:B2", [["id", "name"], ["1", "Ada"]]),
        ("First tab!B:B", "'First tab'!B1:B1000", [["name"], ["Ada"]]),
        ("First tab!2:2", "'First tab'!A2:Z2", [["1", "Ada"]]),
        ("First tab!A4:D", "'First tab'!A4:D1000", [["3", "", "2.50", "TRUE"]]),
        ("First tab!b2", "'First tab'!B2", [["Ada"]]),
        ("B2:A1", "'First tab'!A1:B2", [["id", "name"], ["1", "Ada"]]),
        ("First tab!A900:B901", "'First tab'!A900:B901", None),
        ("empty", "empty!A1:Z1000", None),
    ],
)
def test_a_range_in_a1_notation(
    google: AuthorizedSession, url: str, asked: str, normalised: str, values: list[list[str]] | None
) -> None:
    expected = {"range": normalised, "majorDimension": "ROWS"} | ({"values": values} if values else {})
    assert google.get(f"{url}/values/{asked}").json() == expected


@pytest.mark.parametrize(
    "asked", ["missing", "missing!A1", "First tab!", "First tab!A:", "First tab!1A", "First tab!B", "!!"]
)
def test_a_range_that_is_none_is_400(google: AuthorizedSession, url: str, asked: str) -> None:
    answer = google.get(f"{url}/values/{asked}")
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json() == error(400, "INVALID_ARGUMENT", f"Unable to parse range: {asked}")


def test_a_range_beyond_the_grid_is_400(google: AuthorizedSession, url: str) -> None:
    assert google.get(f"{url}/values/empty!A1:B1001").json() == error(
        400, "INVALID_ARGUMENT", "Range (empty!A1:B1001) exceeds grid limits. Max rows: 1000, max columns: 26"
    )


def test_values_by_column_and_unformatted(google: AuthorizedSession, url: str) -> None:
    options = {"majorDimension": "COLUMNS", "valueRenderOption": "UNFORMATTED_VALUE"}
    assert google.get(f"{url}/values/First tab", params=options).json()["values"] == [
        ["id", 1, "", 3], ["name", "Ada"], ["", "", "", 2.5], ["", "", "", True]
    ]  # fmt: skip


def test_several_ranges_at_once(google: AuthorizedSession, url: str, spreadsheet: Path) -> None:
    answer = google.get(f"{url}/values:batchGet", params={"ranges": ["First tab!A2", "empty"]}).json()
    assert answer == {
        "spreadsheetId": spreadsheet.name,
        "valueRanges": [
            {"range": "'First tab'!A2", "majorDimension": "ROWS", "values": [["1"]]},
            {"range": "empty!A1:Z1000", "majorDimension": "ROWS"},
        ],
    }


def test_metadata_names_the_tabs_and_their_size(google: AuthorizedSession, url: str) -> None:
    answer = google.get(url).json()
    tabs = [(tab["properties"]["title"], tab["properties"]["gridProperties"]) for tab in answer["sheets"]]
    grid = {"rowCount": 1000, "columnCount": 26}
    assert tabs == [("First tab", grid), ("empty", grid)]


def test_an_edit_shows_at_once(google: AuthorizedSession, url: str, spreadsheet: Path) -> None:
    (spreadsheet / "empty.csv").write_text("now\n")
    assert google.get(f"{url}/values/empty").json()["values"] == [["now"]]


def test_an_unknown_spreadsheet_is_404(google: AuthorizedSession, emulators: Connections) -> None:
    answer = google.get(f"{emulators.page_url}/v4/spreadsheets/nowhere/values/A1")
    assert answer.status_code == httpx.codes.NOT_FOUND
    assert answer.json() == error(404, "NOT_FOUND", "Requested entity was not found.")


def test_a_spreadsheet_that_is_not_shared_is_403(google: AuthorizedSession, url: str, spreadsheet: Path) -> None:
    (spreadsheet / "spreadsheet.json").write_text(json.dumps({"shared": False}))
    answer = google.get(f"{url}/values/empty")
    assert answer.status_code == httpx.codes.FORBIDDEN
    assert answer.json() == error(403, "PERMISSION_DENIED", "The caller does not have permission")


def test_a_token_for_something_else_is_403(
    connect_sheets: Callable[..., AuthorizedSession], emulators: Connections, url: str
) -> None:
    answer = connect_sheets(emulators, "https://www.googleapis.com/auth/calendar").get(f"{url}/values/empty")
    assert answer.status_code == httpx.codes.FORBIDDEN
    assert answer.json()["error"]["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


@pytest.mark.parametrize(("token", "reason"), [(None, "CREDENTIALS_MISSING"), ("ya29.forged", "ACCESS_TOKEN_EXPIRED")])
def test_a_missing_or_forged_token_is_401(url: str, token: str | None, reason: str) -> None:
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"} if token else {}, trust_env=False)
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    assert answer.json()["error"]["details"][0]["reason"] == reason


def test_the_quota_can_be_used_up(google: AuthorizedSession, url: str, fault: Callable[..., None]) -> None:
    fault(service="sheets", kind="limit", times=1)
    answer = google.get(f"{url}/values/empty")
    assert answer.status_code == httpx.codes.TOO_MANY_REQUESTS
    assert answer.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert "Quota exceeded for quota metric 'Read requests'" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"majorDimension": "DIAGONALS"}, "Invalid value at 'major_dimension'"),
        ({"majorDimensions": "ROWS"}, 'Unknown name "majorDimensions"'),
    ],
)
def test_an_unknown_option_is_400(google: AuthorizedSession, url: str, query: dict[str, str], message: str) -> None:
    answer = google.get(f"{url}/values/empty", params=query)
    assert (answer.status_code, answer.json()["error"]["status"]) == (httpx.codes.BAD_REQUEST, "INVALID_ARGUMENT")
    assert message in answer.json()["error"]["message"]


def test_writing_is_refused_by_its_name(google: AuthorizedSession, url: str) -> None:
    answer = google.post(f"{url}/values/empty:append", json={"values": [["x"]]})
    assert (answer.status_code, answer.json()["error"]["status"]) == (httpx.codes.NOT_IMPLEMENTED, "UNIMPLEMENTED")
    assert "POST" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["..", "%2e%2e", "..%2f..%2fkeys"])
def test_no_folder_beside_the_spreadsheets_is_read(
    google: AuthorizedSession, emulators: Connections, name: str
) -> None:
    answer = google.get(f"{emulators.page_url}/v4/spreadsheets/{name}/values/A1")
    assert answer.status_code in {httpx.codes.NOT_FOUND, httpx.codes.NOT_IMPLEMENTED}

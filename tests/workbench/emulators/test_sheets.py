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


def test_values(google: AuthorizedSession, url: str) -> None:
    """Values omit empty cells and rows at the end."""
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
def test_range(
    google: AuthorizedSession, url: str, asked: str, normalised: str, values: list[list[str]] | None
) -> None:
    """A range in A1 notation is normalised and read."""
    expected = {"range": normalised, "majorDimension": "ROWS"} | ({"values": values} if values else {})
    assert google.get(f"{url}/values/{asked}").json() == expected


@pytest.mark.parametrize(
    "asked", ["missing", "missing!A1", "First tab!", "First tab!A:", "First tab!1A", "First tab!B", "!!"]
)
def test_invalid_range(google: AuthorizedSession, url: str, asked: str) -> None:
    """A range that is not valid is 400."""
    answer = google.get(f"{url}/values/{asked}")
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json() == error(400, "INVALID_ARGUMENT", f"Unable to parse range: {asked}")


def test_range_beyond_grid(google: AuthorizedSession, url: str) -> None:
    """A range beyond the grid is 400."""
    assert google.get(f"{url}/values/empty!A1:B1001").json() == error(
        400, "INVALID_ARGUMENT", "Range (empty!A1:B1001) exceeds grid limits. Max rows: 1000, max columns: 26"
    )


def test_value_options(google: AuthorizedSession, url: str) -> None:
    """Values are returned by column and unformatted."""
    options = {"majorDimension": "COLUMNS", "valueRenderOption": "UNFORMATTED_VALUE"}
    assert google.get(f"{url}/values/First tab", params=options).json()["values"] == [
        ["id", 1, "", 3], ["name", "Ada"], ["", "", "", 2.5], ["", "", "", True]
    ]  # fmt: skip


def test_batch(google: AuthorizedSession, url: str, spreadsheet: Path) -> None:
    """Several ranges are read at once."""
    answer = google.get(f"{url}/values:batchGet", params={"ranges": ["First tab!A2", "empty"]}).json()
    assert answer == {
        "spreadsheetId": spreadsheet.name,
        "valueRanges": [
            {"range": "'First tab'!A2", "majorDimension": "ROWS", "values": [["1"]]},
            {"range": "empty!A1:Z1000", "majorDimension": "ROWS"},
        ],
    }


def test_metadata(google: AuthorizedSession, url: str) -> None:
    """Metadata has the tabs and their size."""
    answer = google.get(url).json()
    tabs = [(tab["properties"]["title"], tab["properties"]["gridProperties"]) for tab in answer["sheets"]]
    grid = {"rowCount": 1000, "columnCount": 26}
    assert tabs == [("First tab", grid), ("empty", grid)]


def test_edit(google: AuthorizedSession, url: str, spreadsheet: Path) -> None:
    """An edit of the file shows at once."""
    (spreadsheet / "empty.csv").write_text("now\n")
    assert google.get(f"{url}/values/empty").json()["values"] == [["now"]]


def test_unknown(google: AuthorizedSession, emulators: Connections) -> None:
    """An unknown spreadsheet is 404."""
    answer = google.get(f"{emulators.page_url}/v4/spreadsheets/nowhere/values/A1")
    assert answer.status_code == httpx.codes.NOT_FOUND
    assert answer.json() == error(404, "NOT_FOUND", "Requested entity was not found.")


def test_not_shared(google: AuthorizedSession, url: str, spreadsheet: Path) -> None:
    """A spreadsheet that is not shared is 403."""
    (spreadsheet / "spreadsheet.json").write_text(json.dumps({"shared": False}))
    answer = google.get(f"{url}/values/empty")
    assert answer.status_code == httpx.codes.FORBIDDEN
    assert answer.json() == error(403, "PERMISSION_DENIED", "The caller does not have permission")


def test_wrong_scope(connect_sheets: Callable[..., AuthorizedSession], emulators: Connections, url: str) -> None:
    """A token for another scope is 403."""
    answer = connect_sheets(emulators, "https://www.googleapis.com/auth/calendar").get(f"{url}/values/empty")
    assert answer.status_code == httpx.codes.FORBIDDEN
    assert answer.json()["error"]["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


@pytest.mark.parametrize(("token", "reason"), [(None, "CREDENTIALS_MISSING"), ("ya29.forged", "ACCESS_TOKEN_EXPIRED")])
def test_invalid_token(url: str, token: str | None, reason: str) -> None:
    """A missing or forged token is 401."""
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"} if token else {}, trust_env=False)
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    assert answer.json()["error"]["details"][0]["reason"] == reason


def test_quota(google: AuthorizedSession, url: str, fault: Callable[..., None]) -> None:
    """A limit fault returns Google's error for an exceeded quota."""
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
def test_unknown_option(google: AuthorizedSession, url: str, query: dict[str, str], message: str) -> None:
    """An unknown option is 400."""
    answer = google.get(f"{url}/values/empty", params=query)
    assert (answer.status_code, answer.json()["error"]["status"]) == (httpx.codes.BAD_REQUEST, "INVALID_ARGUMENT")
    assert message in answer.json()["error"]["message"]


def test_unsupported(google: AuthorizedSession, url: str) -> None:
    """A write is refused, and the error names it."""
    answer = google.post(f"{url}/values/empty:append", json={"values": [["x"]]})
    assert (answer.status_code, answer.json()["error"]["status"]) == (httpx.codes.NOT_IMPLEMENTED, "UNIMPLEMENTED")
    assert "POST" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["..", "%2e%2e", "..%2f..%2fkeys"])
def test_path_traversal(google: AuthorizedSession, emulators: Connections, name: str) -> None:
    """No folder outside of the spreadsheets is read."""
    answer = google.get(f"{emulators.page_url}/v4/spreadsheets/{name}/values/A1")
    assert answer.status_code in {httpx.codes.NOT_FOUND, httpx.codes.NOT_IMPLEMENTED}

"""Google Sheets: `spreadsheets.get`, `values.get` and `values.batchGet` of the v4 API.

Deviations: see the README of `workbench/emulators`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from workbench.emulators.registry import Emulator
from workbench.emulators.services.google import TokenEndpoint
from workbench.emulators.spreadsheets import SpreadsheetStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from workbench.emulators.faults import Fault
    from workbench.emulators.registry import Context
    from workbench.emulators.spreadsheets import Spreadsheet, Tab

    Answer = Callable[[Spreadsheet, Request], dict[str, Any]]

SERVICE = "google.apps.sheets.v4.SpreadsheetsService"
SCOPES = {
    f"https://www.googleapis.com/auth/{name}"
    for name in ("spreadsheets", "spreadsheets.readonly", "drive", "drive.readonly", "drive.file")
}
SEE_DOCS = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
#: What every Google API accepts beside a method's own parameters.
COMMON_PARAMETERS = {"alt", "key", "prettyPrint", "quotaUser", "access_token", "$.xgafv"}
PARAMETERS = {
    "GetSpreadsheet": {"includeGridData", "ranges", "excludeTablesInBandedRanges"},
    "GetValues": {"majorDimension", "valueRenderOption", "dateTimeRenderOption"},
    "BatchGetValues": {"ranges", "majorDimension", "valueRenderOption", "dateTimeRenderOption"},
}
CHOICES = {
    "majorDimension": {"DIMENSION_UNSPECIFIED", "ROWS", "COLUMNS"},
    "valueRenderOption": {"FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA"},
    "dateTimeRenderOption": {"SERIAL_NUMBER", "FORMATTED_STRING"},
}
CELLS = re.compile(r"(?P<left>[A-Za-z]{0,3})(?P<top>\d*)(?P<colon>:(?P<right>[A-Za-z]{0,3})(?P<bottom>\d*))?")
PLAIN_TITLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
QUOTA = (
    "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user' of service "
    "'sheets.googleapis.com' for consumer 'project_number:100000000000'."
)


class SheetsError(Exception):
    """An error response of the API."""

    def __init__(self, code: int, status: str, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code, self.status, self.reason = code, status, reason

    def response(self, method: str) -> Response:
        """Return the error as `googleapis.com` sends it."""
        error: dict[str, Any] = {"code": self.code, "message": str(self), "status": self.status}
        if self.reason:
            metadata = {"method": f"{SERVICE}.{method}", "service": "sheets.googleapis.com"}
            error["details"] = [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": self.reason,
                    "domain": "googleapis.com",
                    "metadata": metadata,
                }
            ]
        headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'} if self.code == 401 else {}  # noqa: PLR2004  # HTTP's own number
        return JSONResponse({"error": error}, status_code=self.code, headers=headers)


class Sheets:
    """The methods of the API.

    :param store: the spreadsheets.
    :param tokens: what access tokens are checked against.
    """

    def __init__(self, store: SpreadsheetStore, tokens: TokenEndpoint) -> None:
        self.store = store
        self.tokens = tokens

    def routes(self) -> list[Route]:
        """Return its routes."""
        return [
            Route("/v4/spreadsheets/{id}/values/{range:path}", self._route("GetValues", self._values)),
            Route("/v4/spreadsheets/{id}/values:batchGet", self._route("BatchGetValues", self._batch)),
            Route("/v4/spreadsheets/{id}", self._route("GetSpreadsheet", self._metadata)),
            Route("/v4/{rest:path}", _unsupported, methods=["GET", "POST", "PUT", "DELETE"]),
        ]

    def _route(self, method: str, answer: Answer) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            try:
                return JSONResponse(answer(self._readable(method, request), request))
            except SheetsError as error:
                return error.response(method)

        return endpoint

    def _readable(self, method: str, request: Request) -> Spreadsheet:
        self._authorize(request)
        _check_parameters(method, request)
        found = self.store.get(request.path_params["id"])
        if found is None:
            raise SheetsError(404, "NOT_FOUND", "Requested entity was not found.")
        if not found.shared:
            raise SheetsError(403, "PERMISSION_DENIED", "The caller does not have permission")
        return found

    def _authorize(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        token = token if kind.lower() == "bearer" else request.query_params.get("access_token", "")
        if not token:
            missing = f"Request is missing required authentication credential. {SEE_DOCS}"
            raise SheetsError(401, "UNAUTHENTICATED", missing, "CREDENTIALS_MISSING")
        scopes = self.tokens.scopes(token)
        if scopes is None:
            invalid = f"Request had invalid authentication credentials. {SEE_DOCS}"
            raise SheetsError(401, "UNAUTHENTICATED", invalid, "ACCESS_TOKEN_EXPIRED")
        if not scopes & SCOPES:
            insufficient = "Request had insufficient authentication scopes."
            raise SheetsError(403, "PERMISSION_DENIED", insufficient, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")

    def _metadata(self, found: Spreadsheet, request: Request) -> dict[str, Any]:
        if request.query_params.get("includeGridData", "false") == "true":
            raise SheetsError(501, "UNIMPLEMENTED", "The emulator does not support includeGridData.")
        return {
            "spreadsheetId": found.id,
            "properties": {"title": found.title, "locale": "en_US", "autoRecalc": "ON_CHANGE", "timeZone": "Etc/UTC"},
            "sheets": [
                {
                    "properties": {
                        "sheetId": index,
                        "title": tab.title,
                        "index": index,
                        "sheetType": "GRID",
                        "gridProperties": {"rowCount": tab.size[0], "columnCount": tab.size[1]},
                    }
                }
                for index, tab in enumerate(found.tabs)
            ],
            "spreadsheetUrl": f"https://docs.google.com/spreadsheets/d/{found.id}/edit",
        }

    def _values(self, found: Spreadsheet, request: Request) -> dict[str, Any]:
        return _value_range(found, request.path_params["range"], request)

    def _batch(self, found: Spreadsheet, request: Request) -> dict[str, Any]:
        ranges = request.query_params.getlist("ranges")
        return {"spreadsheetId": found.id, "valueRanges": [_value_range(found, each, request) for each in ranges]}


def column_letters(number: int) -> str:
    """Return a column's letters: 1 is A, 27 is AA."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _check_parameters(method: str, request: Request) -> None:
    if "fields" in request.query_params:
        raise SheetsError(501, "UNIMPLEMENTED", "The emulator does not support the parameter fields.")
    for name, value in request.query_params.multi_items():
        if name not in COMMON_PARAMETERS | PARAMETERS[method]:
            raise SheetsError(
                400,
                "INVALID_ARGUMENT",
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                f"Field '{name}' could not be found in request message.",
            )
        if value not in CHOICES.get(name, {value}):
            raise SheetsError(400, "INVALID_ARGUMENT", f"Invalid value at '{_snake(name)}', \"{value}\"")


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", name).lower()


def _value_range(found: Spreadsheet, text: str, request: Request) -> dict[str, Any]:
    tab, (left, top, right, bottom) = _parse(found, text)
    by_column = request.query_params.get("majorDimension") == "COLUMNS"
    rows: list[list[Any]] = [row[left - 1 : right] for row in tab.rows[top - 1 : bottom]]
    if by_column:
        width = max((len(row) for row in rows), default=0)
        rows = [[row[column] if column < len(row) else "" for row in rows] for column in range(width)]
    for row in rows:
        while row and row[-1] == "":
            row.pop()  # the real API leaves out empty cells at a row's end
    while rows and not rows[-1]:
        rows.pop()  # and empty rows at the end
    if request.query_params.get("valueRenderOption") in {"UNFORMATTED_VALUE", "FORMULA"}:
        rows = [[_typed(cell) for cell in row] for row in rows]
    first, last = f"{column_letters(left)}{top}", f"{column_letters(right)}{bottom}"
    title = tab.title if PLAIN_TITLE.fullmatch(tab.title) else "'" + tab.title.replace("'", "''") + "'"
    return {
        "range": f"{title}!{first}" + (f":{last}" if last != first else ""),
        "majorDimension": "COLUMNS" if by_column else "ROWS",
    } | ({"values": rows} if rows else {})


def _parse(found: Spreadsheet, text: str) -> tuple[Tab, tuple[int, int, int, int]]:
    """Resolve an A1 range to a tab and its first column and row, last column and row, from 1, inclusive."""
    tabs = {tab.title: tab for tab in found.tabs}
    title, bang, cells = text.rpartition("!")
    if not bang:
        title, cells = (text, "") if _unquoted(text) in tabs else ("", text)
    tab = tabs.get(_unquoted(title)) if title else next(iter(found.tabs), None)
    match = CELLS.fullmatch(cells)
    if tab is None or not match or (not bang and not title and not cells) or (bang and not cells):
        raise SheetsError(400, "INVALID_ARGUMENT", f"Unable to parse range: {text}")
    rows, columns = tab.size
    if not cells:
        return tab, (1, 1, columns, rows)
    left, top = _column(match["left"]), int(match["top"] or 0)
    right, bottom = (_column(match["right"]), int(match["bottom"] or 0)) if match["colon"] else (left, top)
    if not (left or top) or (match["colon"] and not (right or bottom)) or (not match["colon"] and not (left and top)):
        raise SheetsError(400, "INVALID_ARGUMENT", f"Unable to parse range: {text}")
    box = (left or 1, top or 1, right or columns, bottom or rows)
    if box[0] > columns or box[2] > columns or box[1] > rows or box[3] > rows:
        limits = f"Max rows: {rows}, max columns: {columns}"
        raise SheetsError(400, "INVALID_ARGUMENT", f"Range ({text}) exceeds grid limits. {limits}")
    return tab, (min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3]))


def _unquoted(title: str) -> str:
    if len(title) > 1 and title[0] == title[-1] == "'":
        return title[1:-1].replace("''", "'")
    return title


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _typed(cell: str) -> str | float | bool:
    """Return a cell's value as a sheet that recognised it at entry would."""
    if cell in {"TRUE", "FALSE"}:
        return cell == "TRUE"
    if NUMBER.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    return cell


async def _unsupported(request: Request) -> Response:
    what = f"The emulator does not support {request.method} {request.url.path}"
    return SheetsError(501, "UNIMPLEMENTED", what).response("Unknown")


def _routes(context: Context) -> list[Route]:
    return Sheets(SpreadsheetStore(context.data / "sheets"), TokenEndpoint(context.keys)).routes()


def _failure(fault: Fault) -> Response:
    if fault.kind == "limit":
        return SheetsError(429, "RESOURCE_EXHAUSTED", QUOTA, "RATE_LIMIT_EXCEEDED").response("GetValues")
    return SheetsError(500, "INTERNAL", "Internal error encountered.").response("GetValues")


EMULATOR = Emulator("google_cloud_default", "/v4/", _routes, _failure)

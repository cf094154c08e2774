"""The start page: the tables, messages, objects and sheets that the emulators hold. All values are escaped."""

from __future__ import annotations

import contextlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from workbench.emulators.html import HEADERS, render, static

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

    from workbench.emulators.s3 import S3
    from workbench.emulators.slack_log import MessageLog
    from workbench.emulators.spreadsheets import SpreadsheetStore

SHOWN_PARQUET_ROWS = 50
SHOWN_OBJECTS, SHOWN_ROWS, SHOWN_MESSAGES = 100, 5, 5
TEXT_SUFFIXES = {".csv", ".json", ".jsonl", ".log", ".md", ".sql", ".txt", ".xml", ".yaml", ".yml"}


@dataclass(frozen=True)
class Page:
    """The page, and the objects that it links to.

    :param s3: the buckets.
    :param sheets: the spreadsheets.
    :param messages: the log of Slack messages.
    :param tables: returns the warehouse's tables.
    """

    s3: S3
    sheets: SpreadsheetStore
    messages: MessageLog
    tables: Callable[[], Sequence[Any]]

    def routes(self) -> list[Route]:
        """Return its routes."""
        return [
            Route("/", self._start),
            static("page.css"),
            static("page.js"),
            static("favicon.svg"),
            Route("/objects/{bucket}/{key:path}", self._object),
        ]

    def _start(self, _request: Request) -> Response:
        tables, failure = self._tables()
        html = render(
            "page.html",
            buckets=self.s3.buckets(),
            tables=tables,
            failure=failure,
            spreadsheets=[found for each in self.sheets.ids() if (found := self.sheets.get(each))],
            messages=self.messages.since(0)[: -SHOWN_MESSAGES - 1 : -1],
            message_count=self.messages.count,
            shown_objects=SHOWN_OBJECTS,
            shown_rows=SHOWN_ROWS,
        )
        return HTMLResponse(html, headers=HEADERS)

    def _tables(self) -> tuple[list[Any], str]:
        try:
            return sorted(self.tables(), key=_marts_first), ""
        except Exception as error:  # noqa: BLE001  # the rest of the page still shows
            return [], f"{type(error).__name__}: {error}"

    def _object(self, request: Request) -> Response:
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        stored = self.s3.find(bucket, key)
        if stored is None:
            return PlainTextResponse(f"The object {key} does not exist in the bucket {bucket}.\n", status_code=404)
        if key.endswith(".parquet") and "download" not in request.query_params:
            with contextlib.suppress(
                ValueError, OSError
            ):  # from pyarrow: not a valid Parquet file, so it can only be downloaded
                return _parquet(bucket, key, stored.path)
        text = Path(key).suffix.lower() in TEXT_SUFFIXES
        kind = "text/plain; charset=utf-8" if text else mimetypes.guess_type(key)[0] or "application/octet-stream"
        return FileResponse(
            stored.path,
            media_type=kind,
            filename=key.rpartition("/")[2] or "object",
            content_disposition_type="inline" if text else "attachment",
            headers=HEADERS | {"Content-Security-Policy": "sandbox; default-src 'none'"},
        )


def _parquet(bucket: str, key: str, path: Path) -> Response:
    import pyarrow.parquet  # noqa: PLC0415  # few visitors open one

    with pyarrow.parquet.ParquetFile(path) as file:
        batch = next(file.iter_batches(SHOWN_PARQUET_ROWS), None)
        rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True)) if batch else []
        columns, row_count = file.schema_arrow.names, file.metadata.num_rows
    html = render("parquet.html", bucket=bucket, key=key, columns=columns, rows=rows, row_count=row_count)
    return HTMLResponse(html, headers=HEADERS)


def _marts_first(table: Any) -> tuple[bool, str, str, str]:
    return table.schema != "MARTS", table.database, table.schema, table.name

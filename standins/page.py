"""The start page: what the pipeline did, for a person to see."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


class Page:
    """To come."""

    def __init__(self, *args: Any) -> None:
        self.args = args

    def routes(self) -> list[Route]:
        async def start(_request: Request) -> Response:
            return PlainTextResponse("stand-ins\n")

        return [Route("/", start)]

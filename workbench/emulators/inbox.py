"""The Slack inbox: the messages that the bot posted, as Slack shows them, live, the newest first."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from workbench.emulators.html import HEADERS, render, static

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from workbench.emulators.slack_log import Entry, MessageLog

#: Messages on the page.
SHOWN = 100
#: Seconds between two comments to an idle stream: only a write shows that the browser has gone.
KEEP_ALIVE_SECONDS = 15


@dataclass(frozen=True)
class Inbox:
    """The page, and the stream of Server-Sent Events that keeps it up to date.

    :param messages: the log of Slack messages.
    """

    messages: MessageLog

    def routes(self) -> list[Route]:
        """Return its routes."""
        return [
            Route("/slack", self._page),
            Route("/slack/events", self._events),
            Route("/slack/messages", self._messages),
            static("slack.css"),
            static("slack.js"),
        ]

    def _page(self, request: Request) -> Response:
        channel = request.query_params.get("channel", "")
        newest = self.messages.count
        entries = [entry for entry in self.messages.since(0) if _in(channel, entry)][: -SHOWN - 1 : -1]
        html = render("slack.html", entries=entries, channel=channel, newest=newest, shown=SHOWN)
        return HTMLResponse(html, headers=HEADERS)

    def _messages(self, _request: Request) -> Response:
        return JSONResponse(self.messages.all())

    async def _events(self, request: Request) -> Response:
        """Stream each message as HTML, which the page adds at the top."""
        # A browser that reconnects sends the id of the last message that it has seen.
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        number = int(after) if after.isdecimal() else self.messages.count
        stream = self._stream(number, request.query_params.get("channel", ""))
        return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)

    async def _stream(self, number: int, channel: str) -> AsyncIterator[str]:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        with self.messages.watch(lambda: loop.call_soon_threadsafe(changed.set)):
            while not self.messages.closed:
                changed.clear()
                if number > self.messages.count:  # the log was emptied
                    yield "event: reset\ndata:\n\n"
                    return
                for entry in self.messages.since(number):
                    number = entry.number
                    if _in(channel, entry):
                        # JSON, because a line feed in a message would end the event.
                        yield f"id: {number}\ndata: {json.dumps(render('slack_entry.html', entry=entry))}\n\n"
                try:
                    await asyncio.wait_for(changed.wait(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield ": nothing new\n\n"


def _in(channel: str, entry: Entry) -> bool:
    return not channel or entry.message["channel"] == channel

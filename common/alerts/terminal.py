"""Show a message in a terminal as Slack would show it: for debugging, where nothing is sent."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

#: A block or a word of code.
MARKS = re.compile(r"^(```\n|`)(.*)(\n```|`)$", re.DOTALL)

if TYPE_CHECKING:
    from common.alerts.message import Failure


def show(failure: Failure) -> None:
    """Print the message."""
    from rich.console import Console

    Console(soft_wrap=False).print(rendered(failure))


def rendered(failure: Failure) -> Any:
    """Return the message's blocks as rich prints them."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    from common.alerts.slack import channel_of

    parts: list[Any] = []
    title = failure.title
    for block in failure.blocks:
        if block["type"] == "header":
            title = block["text"]["text"]
        for element in block.get("elements", []):
            text = f"[{element['text']['text']}] {element['url']}" if "url" in element else _plain(element["text"])
            parts.append(Text(text, overflow="fold"))
        if "fields" in block:
            table = Table.grid(padding=(0, 2))
            for field in block["fields"]:
                name, _, value = field["text"].partition("\n")
                table.add_row(Text(name.strip("*"), style="bold"), Text(_plain(value), overflow="fold"))
            parts.append(table)
        elif block["type"] == "section":
            fenced = block["text"]["text"].startswith("```")
            parts.append(Text(_plain(block["text"]["text"]), style="red" if fenced else "", overflow="fold"))
    heading = Text(f"Slack {channel_of(failure)}: {title}", style="bold")
    return Panel(Group(*parts), title=heading, title_align="left", border_style="red")


def _plain(text: str) -> str:
    """Remove the marks that Slack does not show."""
    return html.unescape(MARKS.sub(r"\2", text))

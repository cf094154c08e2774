"""What all pages share: templates and their filters, static files, and headers that allow nothing else to run."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader
from starlette.responses import FileResponse
from starlette.routing import Route

from workbench.emulators import slack_text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_CELL = 80
HEADERS = {
    # Only the pages' own files may load or run, whatever the name of an object or a message contains.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def render(template: str, **values: Any) -> str:
    """Return a page; all values are escaped."""
    return _TEMPLATES.get_template(template).render(**values)


def static(name: str) -> Route:
    """Return the route of a static file."""

    def serve(_request: Request) -> Response:
        return FileResponse(TEMPLATES / name, headers=HEADERS)

    return Route(f"/{name}", serve)


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:  # noqa: PLR2004  # bytes of a KiB
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def _moment(when: dt.datetime | float | str, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    moment = when if isinstance(when, dt.datetime) else dt.datetime.fromtimestamp(float(when), dt.UTC)
    return moment.strftime(form)


def _cell(value: object) -> str:
    text = str(value).replace("\n", "⏎")
    return text if len(text) <= SHOWN_CELL else text[: SHOWN_CELL - 1] + "…"


_TEMPLATES = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_TEMPLATES.filters |= {
    "size": _size,
    "moment": _moment,
    "cell": _cell,
    "count": "{:,}".format,
    "link": slack_text.safe_link,
    "mrkdwn": slack_text.to_html,
    "plain": slack_text.plain,
    "slack_text": slack_text.text_object,
}

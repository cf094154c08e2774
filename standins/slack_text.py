"""Show Slack's mrkdwn as HTML, as far as alerts use it."""

from __future__ import annotations

import html
import re

from markupsafe import Markup, escape

TOKEN = re.compile(
    r"```(?P<pre>.+?)```|`(?P<code>[^`\n]+)`|<(?P<url>https?://[^|>\s]+)(?:\|(?P<label>[^>]*))?>"
    r"|(?<![\w*])\*(?P<bold>[^*\n]+)\*(?![\w*])",
    re.DOTALL,
)


def to_html(text: object) -> Markup:
    """Give text as HTML: bold, code and links; the rest as it is, escaped."""
    source, shown, done = str(text), Markup(), 0
    for match in TOKEN.finditer(source):
        shown += _plain(source[done : match.start()]) + _styled(match)
        done = match.end()
    return shown + _plain(source[done:])


def _styled(match: re.Match[str]) -> Markup:
    if match["pre"]:
        return Markup("<pre>{}</pre>").format(_plain(match["pre"].strip("\n")))
    if match["code"]:
        return Markup("<code>{}</code>").format(_plain(match["code"]))
    if match["bold"]:
        return Markup("<b>{}</b>").format(_plain(match["bold"]))
    label = match["label"] or match["url"]
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(html.unescape(match["url"]), _plain(label))


def _plain(text: str) -> Markup:
    """Undo Slack's own escapes of &, < and >, then escape for HTML."""
    return escape(html.unescape(text))

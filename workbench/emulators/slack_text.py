"""Slack's mrkdwn as HTML, as Slack shows it. The maintained libraries only convert the other way.

Source: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

from markupsafe import Markup, escape

PRE = re.compile(r"```(.+?)```", re.DOTALL)
INLINE = re.compile(
    r"`(?P<code>[^`\n]+)`"
    r"|<(?P<reference>[^<>\n]+)>"
    r"|(?P<url>\bhttps?://[^\s<>|*`]*[^\s<>|*`.,;:!?)\]'\"])"
    r"|(?<![\w*])\*(?=\S)(?P<b>(?:[^*`\n]|`[^`\n]+`)+)(?<=\S)\*(?![\w*])"
    r"|(?<!\w)_(?=\S)(?P<i>(?:[^_`\n]|`[^`\n]+`)+)(?<=\S)_(?!\w)"
    r"|(?<![\w~])~(?=\S)(?P<s>(?:[^~`\n]|`[^`\n]+`)+)(?<=\S)~(?![\w~])"
)
REFERENCE = re.compile(r"<([^<>\n]+)>")
QUOTE = re.compile(r"(?:&gt;|>) ?")
LINK = re.compile(r"(?:https?://|mailto:)\S+", re.IGNORECASE)
#: The three escapes in Slack; any other entity is text.
ESCAPES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
ESCAPE = re.compile("|".join(ESCAPES))
SHORTCODE = re.compile(r":([a-z0-9_+-]+):")
#: The emoji that alerts use, and a few more.
EMOJI = {
    "alarm_clock": "⏰",
    "arrows_counterclockwise": "🔄",
    "bangbang": "‼️",
    "bell": "🔔",
    "boom": "💥",
    "bug": "🐛",
    "exclamation": "❗",
    "eyes": "👀",
    "fire": "🔥",
    "heavy_check_mark": "✔️",
    "hourglass": "⌛",
    "hourglass_flowing_sand": "⏳",
    "information_source": "\u2139\ufe0f",
    "large_blue_circle": "🔵",
    "large_green_circle": "🟢",
    "large_yellow_circle": "🟡",
    "link": "🔗",
    "memo": "📝",
    "no_entry": "⛔",
    "octagonal_sign": "🛑",
    "red_circle": "🔴",
    "robot_face": "🤖",
    "rotating_light": "🚨",
    "skull": "💀",
    "stopwatch": "⏱️",
    "tada": "🎉",
    "warning": "⚠️",
    "white_check_mark": "✅",
    "x": "❌",
    "zzz": "💤",
}


def to_html(text: object) -> Markup:
    """Return mrkdwn as HTML; all of its text is escaped."""
    shown = Markup()
    for number, part in enumerate(PRE.split(str(text))):
        if number % 2:
            shown += Markup("<pre>{}</pre>").format(_verbatim(part.strip("\n")))
        else:
            shown += _lines(part)
    return shown


def plain(text: object) -> Markup:
    """Return plain text as HTML: Slack replaces escapes and emoji there, too."""
    undone = ESCAPE.sub(lambda match: ESCAPES[match[0]], str(text))
    return escape(SHORTCODE.sub(lambda match: EMOJI.get(match[1], match[0]), undone))


def text_object(value: Any) -> Markup:
    """Return a text object of Block Kit, or bare mrkdwn, as HTML."""
    if not isinstance(value, dict):
        return to_html(value or "")
    show = plain if value.get("type") == "plain_text" else to_html
    return show(value.get("text") or "")


def safe_link(url: object) -> str | None:
    """Return a URL that is safe to link to; None for `javascript:` and the like."""
    address = str(url).strip()
    return address if LINK.fullmatch(address) else None


def _lines(text: str) -> Markup:
    """Return lines as HTML, with those that begin with `>` as quotations."""
    shown = Markup()
    for quoted, lines in groupby(text.strip("\n").split("\n"), key=lambda line: bool(QUOTE.match(line))):
        if quoted:
            quotation = "\n".join(QUOTE.sub("", line, count=1) for line in lines)
            shown += Markup("<blockquote>{}</blockquote>").format(_inline(quotation))
        else:
            shown += Markup("<div>{}</div>").format(_inline("\n".join(lines))) if text.strip("\n") else Markup()
    return shown


def _inline(text: str) -> Markup:
    shown, done = Markup(), 0
    for match in INLINE.finditer(text):
        shown += plain(text[done : match.start()]) + _styled(match)
        done = match.end()
    return shown + plain(text[done:])


def _styled(match: re.Match[str]) -> Markup:
    kind = str(match.lastgroup)
    content = match[kind]
    if kind == "code":
        return Markup("<code>{}</code>").format(_verbatim(content))
    if kind == "reference":
        return _reference(content)
    if kind == "url":
        return _link(content, content)
    return Markup("<{0}>{1}</{0}>").format(Markup(kind), _inline(content))  # noqa: S704  # b, i or s


def _verbatim(text: str) -> Markup:
    """Return code as HTML: only links and mentions have a meaning there."""
    shown, done = Markup(), 0
    for match in REFERENCE.finditer(text):
        shown += _unescaped(text[done : match.start()]) + _reference(match[1])
        done = match.end()
    return shown + _unescaped(text[done:])


def _unescaped(text: str) -> Markup:
    return escape(ESCAPE.sub(lambda match: ESCAPES[match[0]], text))


def _reference(content: str) -> Markup:
    """Return the text between `<` and `>` as HTML: a mention, a date, or a link."""
    target, _, label = content.partition("|")
    if target.startswith("!date^"):
        return _unescaped(label or target)
    if target.startswith("!"):
        loud = Markup('<span class="mention loud">{}</span>')
        return loud.format(_unescaped("@" + (label or target[1:].partition("^")[0]).removeprefix("@")))
    if re.fullmatch(r"[@#][A-Z0-9]+", target):
        return Markup('<span class="mention">{}</span>').format(target[0] + (label or target[1:]).lstrip("@#"))
    return _link(target, label or target.removeprefix("mailto:")) if LINK.fullmatch(target) else plain(f"<{content}>")


def _link(url: str, label: str) -> Markup:
    target = ESCAPE.sub(lambda match: ESCAPES[match[0]], url)
    return Markup('<a href="{}" target="_blank" rel="noreferrer noopener">{}</a>').format(target, _unescaped(label))

"""The Slack inbox in a browser: what it shows, that it is live, and that messages are escaped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from slack_sdk import WebClient

from workbench.emulators import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from workbench.emulators import Connections

    Open = Callable[..., Page]

EVIL = """<script>pwned=1</script><img src=x onerror=pwned=1>" onload="pwned=1' </article></main>--> &lt;b&gt;"""
BAD_URL = "javascript:pwned=1"


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def button(text: str, url: str, **more: str) -> dict[str, Any]:
    return {"type": "button", "text": plain(text), "url": url, **more}


@pytest.fixture
def open_page(browser: Browser, emulators: Connections) -> Iterator[Open]:
    """Return a function that opens a page in a window; an error, or a request to another site, fails the test."""
    contexts, problems = [], []

    def open_page(path: str, width: int = 1280, scheme: str = "light") -> Page:
        url = f"{emulators.page_url}{path}"
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme))  # type: ignore[arg-type] # a literal
        opened = contexts[-1].new_page()
        opened.on("console", lambda message: problems.append(message.text))
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("dialog", lambda dialog: problems.append(dialog.message))
        opened.on(
            "request", lambda asked: asked.url.startswith(emulators.page_url) or problems.append(f"asked {asked.url}")
        )
        opened.goto(url)
        if path.startswith("/slack"):
            opened.wait_for_selector("#state[data-state=live]")
        return opened

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def test_blocks(slack: WebClient, open_page: Open) -> None:
    """A message with blocks is shown as in Slack."""
    slack.chat_postMessage(
        channel="#drawn",
        text="load failed & more",
        username="Airflow",
        blocks=[
            {"type": "header", "text": plain(":x: load failed *here*")},
            {"type": "section", "fields": [mrkdwn("*DAG*\nload"), mrkdwn("*Task*\nstage `[3]`")]},
            {"type": "section", "text": mrkdwn("```ValueError: a &lt; b\n  *no*```"), "accessory": button("Run", "http://a.b/r")},
            {"type": "actions", "elements": [button("Open log", "http://a.b/?x=1&y=2", style="primary")]},
            {"type": "divider"},
            {"type": "context", "elements": [mrkdwn("try _3_ of 3"), mrkdwn("<https://x.y|docs>")]},
        ],
    )  # fmt: skip
    page = open_page("/slack?channel=%23drawn")
    message = page.locator("article")
    assert message.locator(".by b").inner_text() == "Airflow"
    assert message.locator(".channel").inner_text() == "#drawn"
    assert message.locator("h3").inner_text() == "❌ load failed *here*"
    assert message.locator(".fields .text").all_inner_texts() == ["DAG\nload", "Task\nstage [3]"]
    assert message.locator("pre").inner_text() == "ValueError: a < b\n  *no*"
    links = {link.inner_text(): link.get_attribute("href") for link in message.locator(".post > :not(.by) a").all()}
    assert links == {"Run": "http://a.b/r", "Open log": "http://a.b/?x=1&y=2", "docs": "https://x.y"}
    assert message.locator("hr").count() == 1
    assert message.locator(".context i").inner_text() == "3"
    assert message.locator("details").inner_text() == "Text of the notification"
    message.locator("summary").click()
    assert message.locator("details .text").inner_text() == "load failed & more"


def test_rich_text(slack: WebClient, open_page: Open) -> None:
    """Rich text and attachments are shown."""
    section = {
        "type": "rich_text_section",
        "elements": [
            {"type": "text", "text": "was "},
            {"type": "text", "text": "killed", "style": {"bold": True, "code": True}},
            {"type": "emoji", "name": "fire"},
            {"type": "link", "url": BAD_URL, "text": "no link"},
        ],
    }
    quoted = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "a\n  b"}]}
    slack.chat_postMessage(channel="#rich", text="x", blocks=[{"type": "rich_text", "elements": [section, quoted]}])
    slack.chat_postMessage(
        channel="#rich",
        text="*old* style",
        attachments=[{"color": "danger", "title": "Broken", "title_link": "https://x.y", "fields": [{"title": "A"}]}],
    )
    page = open_page("/slack?channel=%23rich")
    old, rich = page.locator("article").all()
    assert rich.locator(".rich div").inner_text() == "was killed🔥no link"
    assert rich.locator(".rich code b").inner_text() == "killed"
    assert rich.locator("pre").inner_text() == "a\n  b"
    assert old.locator(".post > .text b").inner_text() == "old"
    assert old.locator(".attachment.danger a").get_attribute("href") == "https://x.y"


def test_live(slack: WebClient, open_page: Open) -> None:
    """A new message is added at the top, once, without a reload."""
    slack.chat_postMessage(channel="#live", text="first")
    page = open_page("/slack?channel=%23live")
    page.evaluate("window.sameWindow = true")
    slack.chat_postMessage(channel="#live", text="second\r\nwith a line\u2028and more")
    slack.chat_postMessage(channel="#elsewhere", text="not here")
    slack.chat_postMessage(channel="#live", text="third")
    page.locator("article", has_text="third").wait_for()
    texts = [text.splitlines()[0] for text in page.locator("article .post > .text").all_inner_texts()]
    assert texts == ["third", "second", "first"]
    assert page.evaluate("window.sameWindow")


def test_empty(slack: WebClient, open_page: Open) -> None:
    """Without messages the page says how to get one, until the first message arrives."""
    page = open_page("/slack?channel=%23empty")
    hint = page.locator(".empty")
    assert hint.is_visible()
    assert "No messages in #empty yet. A failed task sends one" in hint.inner_text()
    slack.chat_postMessage(channel="#empty", text="first")
    page.locator("article").wait_for()
    assert not hint.is_visible()


def test_escaped(slack: WebClient, open_page: Open) -> None:
    """No message can add markup, scripts or unsafe links to a page."""
    live = open_page("/slack?channel=%23evil")
    text = mrkdwn(f"{EVIL} *{EVIL}* `{EVIL}` ```{EVIL}``` <{BAD_URL}|x> <https://x.y/{EVIL}|{EVIL}>")
    blocks = [
        {"type": "header", "text": plain(EVIL)},
        {"type": "section", "text": text, "fields": [text], "accessory": button(EVIL[:75], BAD_URL)},
        {"type": "actions", "elements": [button(EVIL[:75], f" {BAD_URL}"), button("data", "data:text/html,<script>")]},
        {"type": "context", "elements": [text, {"type": "image", "image_url": "https://x.y/z.png", "alt_text": EVIL}]},
        {"type": "image", "image_url": "https://x.y/z.png", "alt_text": EVIL},
    ]
    more = {"attachments": [{"title": EVIL, "title_link": BAD_URL, "text": EVIL, "color": EVIL, "footer": EVIL}]}
    slack.chat_postMessage(
        channel="#evil", text=EVIL, blocks=blocks, username=EVIL, icon_emoji=EVIL, icon_url=BAD_URL, **more
    )
    live.locator("article").wait_for()
    for page in (live, open_page("/slack?channel=%23evil"), open_page("/")):
        assert page.evaluate("typeof pwned") == "undefined"
        assert page.locator("article script, article img, article iframe").count() == 0
        hrefs = page.eval_on_selector_all("a", "links => links.map(link => link.protocol)")
        assert set(hrefs) <= {"http:", "https:"}
        named_on = "all => all.flatMap(e => e.getAttributeNames()).filter(name => name.startsWith('on'))"
        assert page.eval_on_selector_all("article *", named_on) == []
        assert page.locator("article .by b").first.inner_text() == EVIL
        assert page.locator("article h3").first.inner_text() == EVIL.replace("&lt;b&gt;", "<b>")


def test_channel_escaped(open_page: Open) -> None:
    """The name of a channel in the filter is escaped."""
    page = open_page(f"/slack?channel={quote(EVIL)}")
    assert page.evaluate("typeof pwned") == "undefined"
    assert page.locator("header").inner_text().count(EVIL) == 1


@pytest.mark.parametrize("width", [1280, 400])
def test_width(slack: WebClient, open_page: Open, width: int) -> None:
    """The page fits a wide and a narrow window."""
    long = "x" * 400
    fields = [mrkdwn(f"*{long[:40]}*\n{long}"), mrkdwn(f"`{long}`")]
    slack.chat_postMessage(
        channel="#wide",
        text=long,
        username=long[:80],
        blocks=[
            {"type": "header", "text": plain(long[:150])},
            {"type": "section", "fields": fields, "accessory": button("Open the log", "http://a.b")},
            {"type": "section", "text": mrkdwn(f"```{long}\n{long}```")},
            {"type": "actions", "elements": [button(long[:75], "http://a.b")] * 3},
        ],
    )
    for path in ("/slack?channel=%23wide", "/"):
        page = open_page(path, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_colour_schemes(slack: WebClient, open_page: Open) -> None:
    """The page has a light and a dark colour scheme."""
    slack.chat_postMessage(channel="#scheme", text="x")
    colours = {
        scheme: open_page("/slack?channel=%23scheme", scheme=scheme).eval_on_selector(
            "article", "box => [getComputedStyle(box).backgroundColor, getComputedStyle(box).color]"
        )
        for scheme in ("light", "dark")
    }
    assert colours["light"][0] == "rgb(255, 255, 255)"
    assert len({colour for pair in colours.values() for colour in pair}) == 4


def test_start_page(open_page: Open) -> None:
    """The start page links to the inbox."""
    page = open_page("/")
    page.locator("nav a", has_text="Slack message").click()
    page.wait_for_selector("#state[data-state=live]")
    assert page.title() == "Slack inbox · Airflow workbench"


def test_reconnect(emulators: Connections, slack: WebClient, page: httpx.Client) -> None:
    """A browser that reconnects receives the messages that it missed."""
    for text in ("seen", "missed 1", "missed 2"):
        slack.chat_postMessage(channel="#missed", text=text)
    count = len(page.get("/slack/messages").json())
    seen = {"Last-Event-ID": str(count - 2)}
    with page.stream("GET", "/slack/events?after=0&channel=%23missed", headers=seen) as events:
        lines = (line for line in events.iter_lines() if line)
        received = [next(lines) for _ in range(4)]
    assert received[::2] == [f"id: {count - 1}", f"id: {count}"]
    assert "missed 1" in json.loads(received[1].removeprefix("data: "))
    assert "missed 2" in json.loads(received[3].removeprefix("data: "))


def test_emptied_log(browser: Browser, tmp_path: Path) -> None:
    """An open inbox reloads when the log was emptied, and shows when the emulators end."""
    with serve(tmp_path) as connections:
        slack = WebClient("xoxb-offline", f"{connections.page_url}/api/")
        for number in range(3):
            slack.chat_postMessage(channel="#a", text=f"old {number}")
        page = browser.new_page()
        page.goto(f"{connections.page_url}/slack")
        page.wait_for_selector("#state[data-state=live]")
        assert page.locator("article").count() == 3
        (tmp_path / "slack/messages.jsonl").write_text("")
        slack.chat_postMessage(channel="#a", text="new")
        page.locator("article", has_text="new").wait_for()
        assert page.locator("article").count() == 1
    page.wait_for_selector("#state[data-state=reconnecting]")
    page.close()
    assert "error" not in (tmp_path / "log").read_text().lower()


def test_many_messages(tmp_path: Path) -> None:
    """The page shows the newest messages, and the log holds all."""
    folder = tmp_path / "slack"
    folder.mkdir()
    lines = [json.dumps({"ts": "1.0", "channel": "#a", "text": f"<{number}>"}) for number in range(1, 251)]
    (folder / "messages.jsonl").write_text("\n".join(lines) + "\n")
    with serve(tmp_path) as connections, httpx.Client(base_url=connections.page_url, trust_env=False) as client:
        html = client.get("/slack").text
        assert html.count("<article") == 100
        assert "&lt;250&gt;" in html
        assert "&lt;150&gt;" not in html
        assert len(client.get("/slack/messages").json()) == 250

"""mrkdwn as HTML: what Slack would show, and never markup of the message's own."""

from __future__ import annotations

import html.parser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workbench.emulators import slack_text

LINK = '<a href="{0}" target="_blank" rel="noreferrer noopener">{1}</a>'


@pytest.mark.parametrize(
    ("mrkdwn", "shown"),
    [
        ("*bold* _italic_ ~struck~ `code`", "<b>bold</b> <i>italic</i> <s>struck</s> <code>code</code>"),
        ("*a _b_ `*c*`*", "<b>a <i>b</i> <code>*c*</code></b>"),
        ("2*3*4 snake_case_name a*b", "2*3*4 snake_case_name a*b"),
        ("* no * _ no _", "* no * _ no _"),
        ("&lt;b&gt; &amp;amp; &quot;", "&lt;b&gt; &amp;amp; &amp;quot;"),
        ("<https://x.y/?a=1&amp;b=2|log>", LINK.format("https://x.y/?a=1&amp;b=2", "log")),
        ("<https://x.y>", LINK.format("https://x.y", "https://x.y")),
        ("see https://x.y/a_b_c.", "see " + LINK.format("https://x.y/a_b_c", "https://x.y/a_b_c") + "."),
        ("<mailto:a@b.c|mail>", LINK.format("mailto:a@b.c", "mail")),
        ("<javascript:alert(1)|x>", "&lt;javascript:alert(1)|x&gt;"),
        ("<!channel> <!here>", '<span class="mention loud">@channel</span> <span class="mention loud">@here</span>'),
        ("&lt;!channel&gt;", "&lt;!channel&gt;"),
        ("<@U123> <#C123|general>", '<span class="mention">@U123</span> <span class="mention">#general</span>'),
        ("<!date^1392734382^{date}|18 February>", "18 February"),
        (":fire: :unknown:", "🔥 :unknown:"),
        ("a < b > c", "a &lt; b &gt; c"),
    ],
)
def test_line(mrkdwn: str, shown: str) -> None:
    """A line is shown as Slack shows it."""
    assert slack_text.to_html(mrkdwn) == f"<div>{shown}</div>"


@pytest.mark.parametrize(
    ("mrkdwn", "shown"),
    [
        ("```\na *b* &lt;c&gt;\n&gt; d\n```", "<pre>a *b* &lt;c&gt;\n&gt; d</pre>"),
        ("before\n```code```\nafter", "<div>before</div><pre>code</pre><div>after</div>"),
        ("```never closed", "<div>```never closed</div>"),
        ("&gt; one\n> two\nthree", "<blockquote>one\ntwo</blockquote><div>three</div>"),
        ("```<!channel>```", '<pre><span class="mention loud">@channel</span></pre>'),
        ("", ""),
    ],
)
def test_code_and_quotations(mrkdwn: str, shown: str) -> None:
    """Code blocks and quotations are elements of their own."""
    assert slack_text.to_html(mrkdwn) == shown


def test_plain() -> None:
    """Plain text keeps its asterisks, and its escapes are replaced."""
    assert slack_text.text_object({"type": "plain_text", "text": "*a* &lt;b&gt; :x:"}) == "*a* &lt;b&gt; ❌"
    assert slack_text.text_object({"type": "mrkdwn", "text": "*a*"}) == "<div><b>a</b></div>"
    assert not slack_text.text_object(None)


class Seen(html.parser.HTMLParser):
    """The elements, their attributes and the text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.depth = 0
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        self.links += [str(value) for name, value in attrs if name == "href"]
        self.depth += 1

    def handle_endtag(self, tag: str) -> None:
        """Note its end."""
        self.depth -= 1


MARKS = ["<", ">", "&", "|", "*", "_", "~", "`", "```", "\n", "\r", '"', "'", "=", "!", "@", "#", " ", "\0"]
WORDS = [
    "a",
    "&lt;",
    "&amp;",
    ":x:",
    "<script>",
    "</div>",
    "<!--",
    "javascript:",
    "data:text/html,",
    "https://",
    "onload",
]
PIECES = st.sampled_from([*MARKS, *WORDS])


@given(st.lists(PIECES | st.text(max_size=3), max_size=25).map("".join))
@settings(deadline=None)
@example('<https://x"onmouseover=alert(1)|y>')
@example("<https://x|<script>alert(1)</script>>")
@example("`<javascript:alert(1)|x>`")
@example("JaVaScRiPt:alert(1) <JAVASCRIPT:alert(1)>")
def test_elements(text: str) -> None:
    """Whatever text is sent, the result holds only these elements."""
    seen = Seen(slack_text.to_html(text))
    assert seen.tags <= {"div", "pre", "blockquote", "code", "b", "i", "s", "a", "span"}
    assert seen.names <= {"href", "target", "rel", "class"}
    assert all(link.lower().startswith(("http://", "https://", "mailto:")) for link in seen.links)
    assert seen.depth == 0

"""Whatever a failure holds, its message is one that Slack takes, reads as plain text, and that holds no secret."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from common.alerts import mrkdwn
from common.alerts.callback_context import error_text
from common.alerts.message import Failure
from workbench.cli.alert_samples import samples
from workbench.emulators import slack_blocks, slack_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.emulators import Connections

#: What Slack, JSON, HTML or a cut could trip over.
SEQUENCES = [
    "<!channel>",
    "<!here|x>",
    "<@U123>",
    "<https://evil.example|here>",
    "https://a.b/?c=1&d=2",
    "&amp;",
    "&lt;",
]
CHARACTERS = [
    "<",
    ">",
    "&",
    "`",
    "```",
    "``````",
    "*",
    "_",
    "~",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\x1b[31m",
    "\ud800",
    "\u202e",
]
PIECE = st.sampled_from([*SEQUENCES, *CHARACTERS, "😀"]) | st.text(st.characters(), max_size=6)
SHORT = st.lists(PIECE, max_size=10).map("".join)
#: Long enough for every cut, and cut at every place.
TEXT = st.builds(
    lambda text, times, start: (text * times)[start:], SHORT, st.sampled_from([1, 1, 1, 300]), st.integers(0, 9)
)
#: What Airflow allows as an id of a DAG or task; a run's may have more marks.
ID = st.builds(
    lambda text, times: (text * times)[:250],
    st.text(st.characters(categories=["L", "N"], include_characters="_.-:+~"), min_size=1, max_size=12),
    st.sampled_from([1, 1, 1, 30]),
)
FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(["task", "run", "burst", "import", "fixed", "rule"]),
    dag=ID, run=ID, task=ID, headline=ID, when=SHORT, owner=TEXT, host=TEXT, error=TEXT, reason=TEXT, file=TEXT,
    map_index=st.integers(-1, 10**6), attempt=st.integers(0, 10**6), attempts=st.integers(0, 10**6),
    triggered_by=st.lists(TEXT, max_size=3).map(tuple), names=st.lists(ID, min_size=1, max_size=12).map(tuple),
    seconds=st.none() | st.floats(0, 1e9), count=st.integers(0, 10**6), repeat=st.booleans(),
)  # fmt: skip
#: A loaded machine is no reason to fail.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
#: As long as Airflow's database lets anything be.
LONGEST = Failure(
    dag="d" * 250, run="r" * 250, task="t" * 250, owner="o" * 2000, host="h" * 1000, triggered_by=("a" * 1500,) * 12,
    map_index=10**6, attempt=99, attempts=99, seconds=1e6, error="e" * 10_000, repeat=True, count=200,
)  # fmt: skip
ESCAPE = re.compile(r"&(?:amp|lt|gt);")
#: All that Slack documents: blocks, and characters of each sort of text.
BLOCKS, HEADER, FIELDS, FIELD, SECTION, URL, TEXT_LIMIT = 50, 150, 10, 2000, 3000, 3000, 4000


def units(text: str) -> int:
    """Return the length in UTF-16 units, the longest way to count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def mrkdwn_texts(blocks: list[dict[str, Any]]) -> Iterator[tuple[int, str]]:
    """Return every mrkdwn text of a message with its limit."""
    for block in blocks:
        parts = [(SECTION, block["text"])] if block["type"] == "section" and "text" in block else []
        parts += [(FIELD, field) for field in block.get("fields", [])]
        parts += [(SECTION, element) for element in block.get("elements", []) if block["type"] == "context"]
        for limit, part in parts:
            assert part["type"] == "mrkdwn"
            yield limit, part["text"]


class Words(HTMLParser):
    """The text of a piece of HTML."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.feed(source)
        self.close()

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text += data


@given(FAILURES)
@example(LONGEST)
@example(replace(LONGEST, kind="burst", error="", names=("t" * 250,) * 40))
@example(Failure(reason="\x1f"))
@UNHURRIED
def test_limits(failure: Failure) -> None:
    """No message exceeds a limit of Slack's."""
    blocks = failure.blocks
    assert slack_blocks.problems(blocks) == []
    assert not slack_blocks.too_long(blocks)
    assert len(blocks) <= BLOCKS
    assert 0 < units(blocks[0]["text"]["text"]) <= HEADER
    assert all(len(block.get("fields", [])) <= FIELDS for block in blocks)
    assert all(0 < units(text) <= limit for limit, text in mrkdwn_texts(blocks))
    assert 0 < units(failure.text) <= TEXT_LIMIT


@given(FAILURES)
@UNHURRIED
def test_escapes(failure: Failure) -> None:
    """No text holds a control sequence, or half an escape."""
    for text in [failure.text, *(text for _, text in mrkdwn_texts(failure.blocks))]:
        assert not set(ESCAPE.sub("", text)) & set("<>&")


@given(FAILURES)
@example(Failure(kind="import", file="\ud800"))
@UNHURRIED
def test_json(failure: Failure) -> None:
    """A message can be written as JSON in UTF-8."""
    message = {"text": failure.text, "blocks": failure.blocks}
    assert json.loads(json.dumps(message, ensure_ascii=False).encode()) == message


@given(FAILURES)
@UNHURRIED
def test_code_block(failure: Failure) -> None:
    """No backtick in an error ends its block of code."""
    text = mrkdwn.code(failure.error, SECTION)
    assert not failure.error or text in [text for _, text in mrkdwn_texts(failure.blocks)]
    assert text.endswith("```")
    assert text.count("```") == 2
    assert str(slack_text.to_html(text)).startswith("<pre>")
    assert str(slack_text.to_html(text)).count("<pre>") == 1


@given(SHORT.filter(lambda text: "```" not in mrkdwn.clean(text) and text.strip()))
@UNHURRIED
def test_short_error(error: str) -> None:
    """A short error is shown as it is."""
    shown = Words(slack_text.to_html(mrkdwn.code(error, SECTION))).text
    assert shown.strip("\n") == mrkdwn.clean(error).strip("\n")


@given(FAILURES)
@UNHURRIED
def test_button(failure: Failure) -> None:
    """The button leads to exactly the task, run and try."""
    buttons = [
        element["url"] for block in failure.blocks if block["type"] == "actions" for element in block["elements"]
    ]
    assert buttons == ([failure.url] if len(failure.url) <= URL else [])
    parts = urlsplit(failure.url)
    assert parts.scheme in {"http", "https"}
    if failure.kind not in {"import", "fixed"} and failure.run:
        path = parts.path.split("/")
        assert (path[1], path[3]) == ("dags", "runs")
        assert unquote(path[2]) == failure.dag
        assert unquote(path[4]) == failure.run
    if failure.kind == "task":
        assert unquote(path[6]) == failure.task
        assert path[7:] == (["mapped", str(failure.map_index)] if failure.map_index >= 0 else [])
        assert parts.query == (f"try_number={failure.attempt}" if failure.attempt else "")


@given(TEXT, st.integers(3, 4000))
@UNHURRIED
def test_cut(text: str, limit: int) -> None:
    """A cut keeps the beginning and ends with an ellipsis."""
    cut = mrkdwn.escaped(text, limit)
    whole = html.escape(mrkdwn.clean(text), quote=False)
    assert units(cut) <= limit
    if units(whole) <= limit:
        assert cut == whole
    else:
        assert cut.endswith(mrkdwn.ELLIPSIS)
        assert whole.startswith(cut.removesuffix(mrkdwn.ELLIPSIS))
        longest_piece = 5
        assert units(cut) > limit - longest_piece - len(mrkdwn.ELLIPSIS)


@pytest.fixture(scope="module")
def masker() -> Iterator[None]:
    """Have Airflow forget the secrets of these tests: every later log would be searched for them."""
    from airflow.sdk.execution_time.secrets_masker import reset_secrets_masker  # noqa: PLC0415 its home is set first

    yield
    reset_secrets_masker()


@given(
    secret=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=8, max_size=40),
    before=TEXT,
    after=TEXT,
    failure=FAILURES,
)
@example(secret="pa<ss&w`o*rd", before="x" * 2990, after="", failure=samples()["long"])
@example(secret="correct-horse", before="x" * 9990, after="y", failure=samples()["long"])
@settings(UNHURRIED, max_examples=50)
def test_secrets(masker: None, secret: str, before: str, after: str, failure: Failure) -> None:
    """A secret that Airflow knows is in no message."""
    from airflow.sdk.execution_time.secrets_masker import mask_secret  # noqa: PLC0415 as above

    assume(secret not in before + after and "***" not in secret)
    mask_secret(secret)
    for error in (ValueError(f"{before}{secret}{after}"), f"ValueError: {before}{secret}{after}"):
        reported = Failure(**{**failure.record, "error": error_text(error), "kind": "task"})
        message = json.dumps([reported.text, reported.blocks], ensure_ascii=False)
        for form in {secret, html.escape(secret, quote=False), json.dumps(secret, ensure_ascii=False)[1:-1]}:
            assert form not in message


@given(FAILURES)
@settings(UNHURRIED, max_examples=40)
def test_accepted(pipeline_emulators: Connections, failure: Failure) -> None:
    """Slack accepts any message and keeps it as it was sent."""
    take(pipeline_emulators, failure)


@pytest.mark.parametrize("kind", samples())
def test_sample_accepted(pipeline_emulators: Connections, kind: str) -> None:
    """Slack accepts every sample."""
    take(pipeline_emulators, samples()[kind])


def take(emulators: Connections, failure: Failure) -> None:
    """Post a failure's message as Slack's own client does."""
    from slack_sdk import WebClient  # noqa: PLC0415 half a second

    client = WebClient("xoxb-offline", f"{emulators.page_url}/api/", retry_handlers=[])
    channel = f"c{abs(hash(failure))}"
    answer = client.chat_postMessage(channel=channel, text=failure.text, blocks=failure.blocks)
    assert answer["ok"]
    assert answer["message"]["blocks"] == failure.blocks
    assert answer["message"]["text"] == failure.text

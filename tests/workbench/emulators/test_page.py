"""The start page, and who may see it."""

from __future__ import annotations

import io
import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pyarrow as pa
import pytest
from pyarrow import parquet
from snowflake import connector

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_sdk import WebClient

    from workbench.emulators import Connections

SCRIPT = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def test_content(page: httpx.Client, slack: WebClient) -> None:
    """The page shows objects, sheets and messages."""
    slack.chat_postMessage(
        channel="#shown",
        text="fallback",
        blocks=[
            {"type": "header", "text": {"type": "plain_text", "text": "Task failed: shown"}},
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "*bold* `code` <http://log.example/?a=1&amp;b=2|log>"},
            },
        ],
    )
    html = page.get("/").text
    assert "call logs/call_logs_day_2025-11-21.csv" in html
    assert "telecoms-agents" in html
    assert "experience" in html
    assert "Task failed: shown" in html
    assert "<b>bold</b> <code>code</code>" in html
    assert '<a href="http://log.example/?a=1&amp;b=2" target="_blank" rel="noreferrer noopener">log</a>' in html
    assert 'href="/slack"' in html


# The connector changes contexts of pyOpenSSL that are in use.
@pytest.mark.filterwarnings("ignore:Attempting to mutate a Context:DeprecationWarning")
def test_tables(page: httpx.Client, emulators: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows tables with their first rows."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(emulators.ca_bundle))
    settings = json.loads(emulators.env()["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
    with connector.connect(
        user=settings["login"],
        password=settings["password"],
        account=settings["extra"]["account"],
        host=emulators.snowflake_host,
        port=emulators.snowflake_port,
        database="TELECOMS",
        disable_ocsp_checks=True,
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE SCHEMA IF NOT EXISTS SHOWN")
        cursor.execute("CREATE TABLE SHOWN.WEATHER (CITY VARCHAR, DEGREES NUMBER(4, 1))")
        cursor.execute("INSERT INTO SHOWN.WEATHER VALUES (%s, 31.5), (%s, NULL)", (SCRIPT, "Kano"))
    html = page.get("/").text
    shown = html[html.index("WEATHER") :].partition("</details>")[0]
    assert "2 rows" in shown
    assert "<th>CITY</th><th>DEGREES</th>" in shown
    assert f"<td>{ESCAPED}</td><td>31.5</td>" in shown
    assert '<td>Kano</td><td class="null">NULL</td>' in shown


def test_escaped(page: httpx.Client, s3: Any, bucket: str, slack: WebClient, emulators: Connections) -> None:
    """All names, messages and cells are escaped."""
    s3.put_object(Bucket=bucket, Key=f"raw/{SCRIPT}", Body=b"")
    slack.chat_postMessage(channel="#escaped", text=f"{SCRIPT} *{SCRIPT}* ```{SCRIPT}``` <javascript:alert(1)|x>")
    button = {"type": "button", "text": {"type": "plain_text", "text": SCRIPT}, "url": "javascript:alert(1)"}
    slack.chat_postMessage(channel="#escaped", text="x", blocks=[{"type": "actions", "elements": [button]}])
    folder = emulators.data / "sheets" / "escaped"
    folder.mkdir()
    (folder / f"{SCRIPT.replace('/', '')}.csv").write_text(f"{SCRIPT},x\n")
    answer = page.get("/")
    assert SCRIPT not in answer.text
    assert answer.text.count(ESCAPED) >= 6
    assert 'href="javascript:' not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_own_files(page: httpx.Client) -> None:
    """The page loads only its own files."""
    html = page.get("/").text
    assert [part.split('"')[0] for part in html.split(' src="')[1:]] == ["/page.js"]
    for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css"), ("slack.css", "text/css")):
        assert f'"/{name}"' in html
        assert page.get(f"/{name}").headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize(
    ("key", "opens"),
    [
        ("raw/ü a+b%20.csv", ("text/plain; charset=utf-8", "inline")),
        ("page.html", ("text/html", "attachment")),
        ("raw/part.parquet", ("application/octet-stream", "attachment")),
    ],
)
def test_object(page: httpx.Client, s3: Any, bucket: str, key: str, opens: tuple[str, str]) -> None:
    """An object opens as text or is downloaded, and never runs."""
    s3.put_object(Bucket=bucket, Key=key, Body=b"content")
    link = f"/objects/{bucket}/{quote(key)}"
    assert f'href="{link}"' in page.get("/").text
    answer = page.get(link)
    assert answer.content == b"content"
    assert answer.headers["Content-Type"].startswith(opens[0])
    assert answer.headers["Content-Disposition"].startswith(opens[1])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")


def test_parquet(page: httpx.Client, s3: Any, bucket: str) -> None:
    """A Parquet file shows its rows."""
    file = io.BytesIO()
    parquet.write_table(pa.table({"id": ["1", SCRIPT], "n": [None, 2]}), file)
    s3.put_object(Bucket=bucket, Key="shown.parquet", Body=file.getvalue())
    answer = page.get(f"/objects/{bucket}/shown.parquet")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert f'<td>1</td><td class="null">NULL</td></tr>\n    <tr><td>{ESCAPED}</td><td>2</td>' in answer.text
    assert page.get(f"/objects/{bucket}/shown.parquet?download").content == file.getvalue()


@pytest.mark.parametrize(
    "path", ["/objects/nowhere/k", "/objects/telecoms-source/missing", "/objects/telecoms-source/.."]
)
def test_missing_object(page: httpx.Client, path: str) -> None:
    """An object that does not exist is 404."""
    assert page.get(path).status_code == httpx.codes.NOT_FOUND


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:8090", "", "127.0.0.1.attacker.example"])
@pytest.mark.parametrize("path", ["/", "/slack/messages", "/control/faults", "/api/auth.test"])
def test_host(emulators: Connections, path: str, host: str) -> None:
    """Another host name is refused, so a web page whose own name points to loopback reads nothing."""
    answer = httpx.get(f"{emulators.page_url}{path}", headers={"Host": host}, trust_env=False)
    assert answer.status_code in {httpx.codes.MISDIRECTED_REQUEST, httpx.codes.BAD_REQUEST}


@pytest.mark.parametrize(
    "mark",
    [
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "empty"},
    ],
    ids=lambda mark: "-".join(mark.values()),
)
def test_foreign_page(
    emulators: Connections, page: httpx.Client, fault: Callable[..., None], mark: dict[str, str]
) -> None:
    """A foreign web page can use no emulator.

    It may send a form, or JSON as plain text, without a preflight request; it needs no response to do harm.
    """
    fault(service="google", kind="limit", match="nowhere")
    before = page.get("/slack/messages").json()
    message = {"token": "xoxb-offline", "channel": "#foreign", "text": "foreign"}
    login = {"data": {"LOGIN_NAME": "workbench", "PASSWORD": "offline"}}
    snowflake = f"https://{emulators.snowflake_host}:{emulators.snowflake_port}/session/v1/login-request"
    with httpx.Client(
        trust_env=False, headers=mark, verify=ssl.create_default_context(cafile=emulators.ca_bundle)
    ) as it:
        answers = [
            it.post(f"{emulators.page_url}/api/chat.postMessage", data=message),
            it.get(f"{emulators.page_url}/api/chat.postMessage", params=message),
            it.post(f"{emulators.page_url}/token", data={"grant_type": "x"}),
            it.delete(f"{emulators.page_url}/control/faults"),
            it.post(snowflake, content=json.dumps(login), headers={"Content-Type": "text/plain"}),
        ]
    assert {answer.status_code for answer in answers} == {httpx.codes.FORBIDDEN}
    assert page.get("/slack/messages").json() == before
    assert page.get("/control/faults").json()


@pytest.mark.parametrize("path", ["/", "/slack"])
def test_link(page: httpx.Client, path: str) -> None:
    """A link from any page opens a page, the pages may request themselves, and no other page may read them."""
    marks = [
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}, httpx.codes.OK),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}, httpx.codes.OK),
        ({"Origin": str(page.base_url).rstrip("/")}, httpx.codes.OK),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}, httpx.codes.FORBIDDEN),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "empty"}, httpx.codes.FORBIDDEN),
    ]
    for mark, status in marks:
        assert page.get(path, headers=mark).status_code == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_foreign_faults(page: httpx.Client, kind: str) -> None:
    """A foreign web page cannot add faults: browsers send these content types without a preflight request."""
    answer = page.post("/control/faults", content='{"service":"slack","kind":"limit"}', headers={"Content-Type": kind})
    assert answer.status_code == httpx.codes.UNSUPPORTED_MEDIA_TYPE
    assert page.get("/control/faults").json() == []


@pytest.mark.parametrize(
    "body", ['{"service": "x", "kind": "limit"}', '{"service": "s3", "kind": "x"}', '{"x": 1}', "["]
)
def test_invalid_fault(page: httpx.Client, body: str) -> None:
    """A fault that is not valid is refused."""
    answer = page.post("/control/faults", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert page.get("/control/faults").json() == []

"""Acknowledged data survives a restart and `kill -9`."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import ClientError, HTTPClientError
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from workbench.emulators import serve
from workbench.emulators.slack_log import MessageLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workbench.emulators import Connections

pytestmark = pytest.mark.emulators
WRITERS, BEFORE_KILL = 4, 60


@dataclass
class Acknowledged:
    """What the emulators had acknowledged when they were killed."""

    data: Path
    objects: dict[str, bytes] = field(default_factory=dict)
    version: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def acknowledged(tmp_path_factory: pytest.TempPathFactory, connect_s3: Callable[[Connections], Any]) -> Acknowledged:
    """An instance that was killed during the writes of four clients."""
    acknowledged = Acknowledged(tmp_path_factory.mktemp("killed"))
    with serve(acknowledged.data, sample=True) as connections:
        s3 = connect_s3(connections)
        s3.delete_object(Bucket="telecoms-source", Key="customers/customers_dataset.csv")
        s3.put_bucket_versioning(Bucket="telecoms-lake", VersioningConfiguration={"Status": "Enabled"})
        acknowledged.version = s3.put_object(
            Bucket="telecoms-lake", Key="ü b/k", Body=b"1", Tagging="a=b", Metadata={"m": "n"}
        )
        s3.put_object(Bucket="telecoms-lake", Key="ü b/k", Body=b"22")
        s3.create_bucket(Bucket="written")
        upload = s3.create_multipart_upload(Bucket="written", Key="unfinished")["UploadId"]
        s3.upload_part(Bucket="written", Key="unfinished", UploadId=upload, PartNumber=1, Body=b"x" * 1000)
        WebClient("xoxb-offline", f"{connections.page_url}/api/").chat_postMessage(channel="#kept", text="kept")
        kill_while_writing(s3, connections.pid, acknowledged.objects)
    with (acknowledged.data / "slack" / "messages.jsonl").open("a") as log:
        log.write('{"ts": "1", "chan')  # as a kill in the middle of a message leaves it
    return acknowledged


@pytest.fixture(scope="module")
def again(acknowledged: Acknowledged) -> Iterator[Connections]:
    """The same data, served again after the kill."""
    with serve(acknowledged.data, sample=True) as connections:
        yield connections


@pytest.fixture(scope="module")
def s3_again(again: Connections, connect_s3: Callable[[Connections], Any]) -> Any:
    """boto3, connected to it."""
    return connect_s3(again)


def kill_while_writing(s3: Any, pid: int, acknowledged: dict[str, bytes]) -> None:
    """Put objects, some of them repeatedly, and kill the server; record what it acknowledged."""
    enough = threading.Event()

    def write(writer: int) -> None:
        number = 0
        try:
            while True:
                for key in (f"{writer}/{number}", f"{writer}/again"):
                    content = f"{key} {number}\n".encode() * 50
                    s3.put_object(Bucket="written", Key=key, Body=content)
                    acknowledged[key] = content
                number += 1
                if len(acknowledged) > BEFORE_KILL:
                    enough.set()
        except (HTTPClientError, OSError):
            enough.set()

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for writer in writers:
        writer.start()
    assert enough.wait(120)
    os.kill(pid, signal.SIGKILL)
    for writer in writers:
        writer.join()


def test_objects(acknowledged: Acknowledged, s3_again: Any) -> None:
    """`kill -9` loses no acknowledged object.

    The last write of each writer, which was not acknowledged, is there whole or not at all.
    """
    pages = s3_again.get_paginator("list_objects_v2").paginate(Bucket="written")
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    kept = {key: s3_again.get_object(Bucket="written", Key=key)["Body"].read() for key in keys}
    assert len(acknowledged.objects) > BEFORE_KILL
    assert all(len(set(content.splitlines())) == 1 and content.count(b"\n") == 50 for content in kept.values())
    for key, content in acknowledged.objects.items():
        newer = kept[key].split()[1] > content.split()[1] or len(kept[key]) > len(content)
        assert kept[key] == content or (key.endswith("/again") and newer)
    assert len(kept.keys() - acknowledged.objects.keys()) <= WRITERS


def test_unfinished_uploads(acknowledged: Acknowledged, s3_again: Any) -> None:
    """The parts of unfinished uploads are deleted at restart."""
    assert "Uploads" not in s3_again.list_multipart_uploads(Bucket="written")
    buckets = [bucket["Name"] for bucket in s3_again.list_buckets()["Buckets"]]
    versions = [
        version
        for bucket in buckets
        for page in s3_again.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for version in page.get("Versions", [])
    ]
    assert len(list((acknowledged.data / "s3" / "objects").iterdir())) == len(versions)


def test_versions(acknowledged: Acknowledged, s3_again: Any) -> None:
    """Versions, tags, metadata and settings survive `kill -9`."""
    assert s3_again.get_bucket_versioning(Bucket="telecoms-lake")["Status"] == "Enabled"
    where = {"Bucket": "telecoms-lake", "Key": "ü b/k"}
    old = s3_again.get_object(**where, VersionId=acknowledged.version["VersionId"])
    assert (old["Body"].read(), old["ETag"], old["Metadata"]) == (b"1", acknowledged.version["ETag"], {"m": "n"})
    tags = s3_again.get_object_tagging(**where, VersionId=acknowledged.version["VersionId"])["TagSet"]
    assert tags == [{"Key": "a", "Value": "b"}]
    assert s3_again.get_object(**where)["Body"].read() == b"22"


def test_sample(s3_again: Any) -> None:
    """Sample data is uploaded once: a deleted object does not come back."""
    sources = {item["Key"] for item in s3_again.list_objects_v2(Bucket="telecoms-source")["Contents"]}
    assert "customers/customers_dataset.csv" not in sources
    assert len(sources) == 6


def test_messages(acknowledged: Acknowledged, again: Connections) -> None:
    """Slack messages survive, and half a line at the end of the log is moved aside."""
    messages = httpx.get(f"{again.page_url}/slack/messages", trust_env=False).json()
    assert [message["text"] for message in messages] == ["kept"]
    assert (acknowledged.data / "slack/messages.damaged").read_text() == '{"ts": "1", "chan\n'


def test_edited_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log that an editor saved without the last line end, and with a damaged line, loses nothing."""
    lines = ['{"channel": "#a", "text": "one"}', "this is not a message", '{"channel": "#a", "text": "two"}']
    log = tmp_path / "messages.jsonl"
    log.write_text("\n".join(lines))
    for _ in range(2):
        assert MessageLog(log).all() == [json.loads(lines[0]), json.loads(lines[2])]
    assert (tmp_path / "messages.damaged").read_text() == f"{lines[1]}\n"
    assert str(tmp_path / "messages.damaged") in capsys.readouterr().err


def refused(data: Path, why: str) -> None:
    """Start with data that cannot be read: the error has the fix, and the data is not changed."""
    before = {file: file.read_bytes() for file in (data / "s3").rglob("*") if file.is_file()}
    with pytest.raises(RuntimeError, match=why) as error, serve(data):
        pass
    assert {file: file.read_bytes() for file in before} == before
    assert f"mv '{data}/s3' '{data}/s3.kept'" in str(error.value)
    assert "Traceback" not in str(error.value)


def test_damaged_data(tmp_path: Path, connect_s3: Callable[[Connections], Any]) -> None:
    """Edited data is kept when `seeded` is missing, and objects are kept when their index is missing or damaged."""
    agents, notes = tmp_path / "sheets/telecoms-agents/agents.csv", tmp_path / "s3/objects/notes.txt"
    where = {"Bucket": "telecoms-source", "Key": "customers/customers_dataset.csv"}
    with serve(tmp_path, sample=True) as connections:
        connect_s3(connections).put_object(**where, Body=b"mine")
    for file in (agents, notes):
        file.write_text("mine\n")
    (tmp_path / "seeded").unlink()

    with serve(tmp_path, sample=True) as connections:
        assert connect_s3(connections).get_object(**where)["Body"].read() == b"mine"
    assert [file.read_text() for file in (agents, notes)] == ["mine\n", "mine\n"]

    index = tmp_path / "s3/index.sqlite"
    index.rename(tmp_path / "elsewhere")
    refused(tmp_path, "is missing or empty")
    (tmp_path / "elsewhere").rename(index)
    with sqlite3.connect(index) as damaged:
        damaged.execute("UPDATE objects SET versions = x'80ff' WHERE key = ?", [where["Key"]])
    damaged.close()
    refused(tmp_path, "cannot read its data")


def test_two_instances(s3: Any, s3_again: Any) -> None:
    """Two instances run side by side, each with its own data."""
    names = [{bucket["Name"] for bucket in each.list_buckets()["Buckets"]} for each in (s3, s3_again)]
    assert "written" in names[1] - names[0]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits the files of another process")
def test_full_disk(tmp_path: Path, connect_s3: Callable[[Connections], Any]) -> None:
    """A full disk is reported, and no existing object is lost.

    A limit on the size of files replaces the full disk: the same system calls fail.
    """
    with serve(tmp_path) as connections:
        s3 = connect_s3(connections)
        s3.create_bucket(Bucket="full")
        s3.put_object(Bucket="full", Key="k", Body=b"old")
        _, hard = resource.prlimit(connections.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(connections.pid, resource.RLIMIT_FSIZE, (1_000_000, hard))
        with pytest.raises(ClientError, match=r"InternalError.*File too large"):
            s3.put_object(Bucket="full", Key="k", Body=b"x" * 2_000_000)
        assert s3.get_object(Bucket="full", Key="k")["Body"].read() == b"old"
        resource.prlimit(connections.pid, resource.RLIMIT_FSIZE, (0, hard))  # not even the index can be written
        with pytest.raises(ClientError, match="InternalError"):
            s3.delete_object(Bucket="full", Key="k")
        slack = WebClient("xoxb-offline", f"{connections.page_url}/api/")
        with pytest.raises(SlackApiError, match="fatal_error"):
            slack.chat_postMessage(channel="#full", text="lost")
        resource.prlimit(connections.pid, resource.RLIMIT_FSIZE, (hard, hard))
        slack.chat_postMessage(channel="#full", text="kept")
        messages = httpx.get(f"{connections.page_url}/slack/messages", trust_env=False).json()
        assert [message["text"] for message in messages] == ["kept"]
        os.kill(connections.pid, signal.SIGKILL)
    with serve(tmp_path) as connections:
        s3 = connect_s3(connections)
        assert s3.get_object(Bucket="full", Key="k")["Body"].read() == b"old"

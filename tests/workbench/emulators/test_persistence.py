"""What a client was told survives restart and `kill -9`."""

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

import workbench.emulators as package
from workbench.emulators.slack_log import MessageLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workbench.emulators import Connections

pytestmark = pytest.mark.emulators
WRITERS, BEFORE_KILL = 4, 60


@dataclass
class Told:
    """What the emulators had acknowledged when they were killed."""

    data: Path
    objects: dict[str, bytes] = field(default_factory=dict)
    version: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, connect_s3: Callable[[Connections], Any]) -> Told:
    """An instance that was killed while four writers were at it."""
    told = Told(tmp_path_factory.mktemp("killed"))
    with package.serve(told.data, sample=True) as connections:
        s3 = connect_s3(connections)
        s3.delete_object(Bucket="telecoms-source", Key="customers/customers_dataset.csv")
        s3.put_bucket_versioning(Bucket="telecoms-lake", VersioningConfiguration={"Status": "Enabled"})
        told.version = s3.put_object(Bucket="telecoms-lake", Key="ü b/k", Body=b"1", Tagging="a=b", Metadata={"m": "n"})
        s3.put_object(Bucket="telecoms-lake", Key="ü b/k", Body=b"22")
        s3.create_bucket(Bucket="written")
        upload = s3.create_multipart_upload(Bucket="written", Key="unfinished")["UploadId"]
        s3.upload_part(Bucket="written", Key="unfinished", UploadId=upload, PartNumber=1, Body=b"x" * 1000)
        WebClient("xoxb-offline", f"{connections.page_url}/api/").chat_postMessage(channel="#kept", text="kept")
        kill_while_writing(s3, connections.pid, told.objects)
    with (told.data / "slack" / "messages.jsonl").open("a") as log:
        log.write('{"ts": "1", "chan')  # as a kill in the middle of a message leaves it
    return told


@pytest.fixture(scope="module")
def again(told: Told) -> Iterator[Connections]:
    """The same data, served again."""
    with package.serve(told.data, sample=True) as connections:
        yield connections


@pytest.fixture(scope="module")
def s3_again(again: Connections, connect_s3: Callable[[Connections], Any]) -> Any:
    """boto3, connected to it."""
    return connect_s3(again)


def kill_while_writing(s3: Any, pid: int, acknowledged: dict[str, bytes]) -> None:
    """Put objects, some under a name again and again, and kill the server; note what it acknowledged."""
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


def test_kill_9_loses_no_object_that_was_acknowledged(told: Told, s3_again: Any) -> None:
    """Only the last, unanswered write of each writer may or may not be there, and then whole."""
    pages = s3_again.get_paginator("list_objects_v2").paginate(Bucket="written")
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    kept = {key: s3_again.get_object(Bucket="written", Key=key)["Body"].read() for key in keys}
    assert len(told.objects) > BEFORE_KILL
    assert all(len(set(content.splitlines())) == 1 and content.count(b"\n") == 50 for content in kept.values())
    for key, content in told.objects.items():
        newer = kept[key].split()[1] > content.split()[1] or len(kept[key]) > len(content)
        assert kept[key] == content or (key.endswith("/again") and newer)
    assert len(kept.keys() - told.objects.keys()) <= WRITERS


def test_parts_of_unfinished_uploads_are_swept(told: Told, s3_again: Any) -> None:
    assert "Uploads" not in s3_again.list_multipart_uploads(Bucket="written")
    buckets = [bucket["Name"] for bucket in s3_again.list_buckets()["Buckets"]]
    versions = [
        version
        for bucket in buckets
        for page in s3_again.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for version in page.get("Versions", [])
    ]
    assert len(list((told.data / "s3" / "objects").iterdir())) == len(versions)


def test_versions_tags_metadata_and_settings_are_kept(told: Told, s3_again: Any) -> None:
    assert s3_again.get_bucket_versioning(Bucket="telecoms-lake")["Status"] == "Enabled"
    where = {"Bucket": "telecoms-lake", "Key": "ü b/k"}
    old = s3_again.get_object(**where, VersionId=told.version["VersionId"])
    assert (old["Body"].read(), old["ETag"], old["Metadata"]) == (b"1", told.version["ETag"], {"m": "n"})
    tags = s3_again.get_object_tagging(**where, VersionId=told.version["VersionId"])["TagSet"]
    assert tags == [{"Key": "a", "Value": "b"}]
    assert s3_again.get_object(**where)["Body"].read() == b"22"


def test_sample_data_is_uploaded_once(s3_again: Any) -> None:
    sources = {item["Key"] for item in s3_again.list_objects_v2(Bucket="telecoms-source")["Contents"]}
    assert "customers/customers_dataset.csv" not in sources
    assert len(sources) == 6


def test_messages_are_kept_and_half_a_line_is_set_aside(told: Told, again: Connections) -> None:
    messages = httpx.get(f"{again.page_url}/slack/messages", trust_env=False).json()
    assert [message["text"] for message in messages] == ["kept"]
    assert (told.data / "slack/messages.damaged").read_text() == '{"ts": "1", "chan\n'


def test_a_log_of_messages_that_was_edited_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An editor may leave out the last line end, and break a line."""
    lines = ['{"channel": "#a", "text": "one"}', "this is no message", '{"channel": "#a", "text": "two"}']
    log = tmp_path / "messages.jsonl"
    log.write_text("\n".join(lines))
    for _ in range(2):
        assert MessageLog(log).all() == [json.loads(lines[0]), json.loads(lines[2])]
    assert (tmp_path / "messages.damaged").read_text() == f"{lines[1]}\n"
    assert str(tmp_path / "messages.damaged") in capsys.readouterr().err


def refused(data: Path, why: str) -> None:
    """Start over data that cannot be read: it says so and how to go on, and changes nothing."""
    before = {file: file.read_bytes() for file in (data / "s3").rglob("*") if file.is_file()}
    with pytest.raises(RuntimeError, match=why) as error, package.serve(data):
        pass
    assert {file: file.read_bytes() for file in before} == before
    assert f"mv '{data}/s3' '{data}/s3.kept'" in str(error.value)
    assert "Traceback" not in str(error.value)


def test_what_was_edited_outlives_the_mark_of_the_first_start_and_objects_outlive_their_index(
    tmp_path: Path, connect_s3: Callable[[Connections], Any]
) -> None:
    agents, notes = tmp_path / "sheets/telecoms-agents/agents.csv", tmp_path / "s3/objects/notes.txt"
    where = {"Bucket": "telecoms-source", "Key": "customers/customers_dataset.csv"}
    with package.serve(tmp_path, sample=True) as connections:
        connect_s3(connections).put_object(**where, Body=b"mine")
    for file in (agents, notes):
        file.write_text("mine\n")
    (tmp_path / "seeded").unlink()

    with package.serve(tmp_path, sample=True) as connections:
        assert connect_s3(connections).get_object(**where)["Body"].read() == b"mine"
    assert [file.read_text() for file in (agents, notes)] == ["mine\n", "mine\n"]

    index = tmp_path / "s3/index.sqlite"
    index.rename(tmp_path / "elsewhere")
    refused(tmp_path, "is missing or empty")
    (tmp_path / "elsewhere").rename(index)
    with sqlite3.connect(index) as damaged:
        damaged.execute("UPDATE objects SET versions = x'80ff' WHERE key = ?", [where["Key"]])
    damaged.close()
    refused(tmp_path, "cannot read what it kept")


def test_two_instances_stand_side_by_side(s3: Any, s3_again: Any) -> None:
    names = [{bucket["Name"] for bucket in each.list_buckets()["Buckets"]} for each in (s3, s3_again)]
    assert "written" in names[1] - names[0]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits the files of another process")
def test_a_full_disk_is_told_and_costs_no_object_that_was_there(
    tmp_path: Path, connect_s3: Callable[[Connections], Any]
) -> None:
    """A limit on the size of files stands in for the disk: the same system calls fail."""
    with package.serve(tmp_path) as connections:
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
    with package.serve(tmp_path) as connections:
        s3 = connect_s3(connections)
        assert s3.get_object(Bucket="full", Key="k")["Body"].read() == b"old"

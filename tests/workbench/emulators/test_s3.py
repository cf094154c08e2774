"""S3, driven by boto3."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

PART = 8 << 20
#: Bytes that a parser of forms or lines would change.
CONTENT = b"a=1&b=2\x00\xff\r\n--part\r\nContent-Disposition: form-data; name=key\r\n\r\nx\r\n--part--\r\n"
FORMS = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=part"]
#: What a client says of the chunks that it signs itself, and what it adds to each one's length.
ENCODINGS = {
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": "",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": ";chunk-signature=" + "0" * 64,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": ";chunk-signature=" + "0" * 64,
}
#: How a browser marks what a page of another site asks for; older ones, and those that ask by plain HTTP, send less.
FOREIGN = [
    {"Origin": "https://attacker.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "iframe"},
]


def test_multipart(s3: Any, bucket: str) -> None:
    """A large upload in parts is returned whole and in ranges."""
    content = os.urandom(2 * PART + 12345)
    s3.upload_fileobj(io.BytesIO(content), bucket, "large")
    digests = [
        hashlib.md5(content[at : at + PART], usedforsecurity=False).digest() for at in range(0, len(content), PART)
    ]
    etag = f'"{hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()}-3"'
    whole = s3.get_object(Bucket=bucket, Key="large")
    assert (whole["ETag"], whole["ContentLength"], whole["Body"].read()) == (etag, len(content), content)
    middle = s3.get_object(Bucket=bucket, Key="large", Range=f"bytes={PART - 5}-{PART + 4}")
    assert (middle["ContentRange"], middle["Body"].read()) == (
        f"bytes {PART - 5}-{PART + 4}/{len(content)}",
        content[PART - 5 : PART + 5],
    )
    tail = s3.get_object(Bucket=bucket, Key="large", Range="bytes=-7")
    assert tail["Body"].read() == content[-7:]


@pytest.mark.parametrize("key", ["a b+c%20d", "ünï/cödé.csv", "a//b", "ends/", "x" * 900, "<script>&'\"", ".."])
def test_keys(s3: Any, bucket: str, key: str) -> None:
    """A key is stored unchanged."""
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_listing(s3: Any, bucket: str) -> None:
    """A listing is by prefix, in pages and in order."""
    for number in range(25):
        s3.put_object(Bucket=bucket, Key=f"raw/{number:03d}", Body=b"")
    s3.put_object(Bucket=bucket, Key="other", Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix="raw/", PaginationConfig={"PageSize": 10}
    )
    listed = [[item["Key"] for item in page["Contents"]] for page in pages]
    assert [len(keys) for keys in listed] == [10, 10, 5]
    assert list(itertools.chain(*listed)) == [f"raw/{number:03d}" for number in range(25)]


def test_conditional_put(s3: Any, bucket: str) -> None:
    """A conditional put does not replace an object."""
    s3.put_object(Bucket=bucket, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as refusal:
        s3.put_object(Bucket=bucket, Key="once", Body=b"second", IfNoneMatch="*")
    assert refusal.value.response["Error"]["Code"] == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="once")["Body"].read() == b"first"


def test_versions(s3: Any, bucket: str) -> None:
    """Versions are kept, and a delete adds a marker."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    s3.delete_object(Bucket=bucket, Key="k")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket, Key="k")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"1"


def test_copy(s3: Any, bucket: str) -> None:
    """A copy has the tags and metadata of its source, and many objects are deleted at once."""
    s3.put_object(Bucket=bucket, Key="from", Body=b"content", Tagging="kind=raw", Metadata={"rows": "1"})
    s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from"})
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "from"}, {"Key": "never"}]})
    kept = s3.get_object(Bucket=bucket, Key="to")
    assert (kept["Body"].read(), kept["Metadata"]) == (b"content", {"rows": "1"})
    assert s3.get_object_tagging(Bucket=bucket, Key="to")["TagSet"] == [{"Key": "kind", "Value": "raw"}]
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["to"]


def test_presigned_url(s3: Any, bucket: str) -> None:
    """A presigned URL needs no other credentials."""
    s3.put_object(Bucket=bucket, Key="shared", Body=b"content")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "shared"})
    assert httpx.get(url, trust_env=False).content == b"content"


def test_missing(s3: Any, bucket: str) -> None:
    """A missing key or bucket gets S3's own error."""
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket, Key="missing")
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.put_object(Bucket="nowhere", Key="k", Body=b"")
    with pytest.raises(ClientError) as refusal:
        s3.head_object(Bucket=bucket, Key="missing")
    assert refusal.value.response["Error"]["Code"] == "404"


def test_unsupported(s3: Any, bucket: str) -> None:
    """An unsupported request is refused, and the error names it."""
    with pytest.raises(ClientError) as refusal:
        s3.put_bucket_metrics_configuration(Bucket=bucket, Id="m", MetricsConfiguration={"Id": "m"})
    assert refusal.value.response["Error"]["Code"] == "NotImplemented"
    assert "etrics" in refusal.value.response["Error"]["Message"]


def test_sts(emulators: Any) -> None:
    """STS returns the caller's identity, for Airflow's connection test; other services are refused."""
    keys = {"aws_access_key_id": "offline", "aws_secret_access_key": "offline", "region_name": "us-east-1"}
    with contextlib.closing(boto3.client("sts", endpoint_url=emulators.s3_url, **keys)) as sts:
        assert sts.get_caller_identity()["Account"] == "123456789012"
    with (
        contextlib.closing(boto3.client("sqs", endpoint_url=emulators.s3_url, **keys)) as sqs,
        pytest.raises(ClientError),
    ):
        sqs.list_queues()


@pytest.mark.parametrize(("kind", "code"), [("limit", "SlowDown"), ("error", "InternalError")])
def test_faults(s3: Any, bucket: str, fault: Callable[..., None], kind: str, code: str) -> None:
    """A fault returns S3's own error."""
    fault(service="s3", kind=kind, match=bucket, times=1)
    with pytest.raises(ClientError) as refusal:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000)
    assert refusal.value.response["Error"]["Code"] == code
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")


def test_host(emulators: Any) -> None:
    """Another host name is refused, so a web page whose own name points to loopback reads nothing."""
    answer = httpx.get(emulators.s3_url, headers={"Host": "attacker.example:80"}, trust_env=False)
    assert answer.status_code == httpx.codes.FORBIDDEN


@pytest.mark.parametrize("kind", [*FORMS, "text/csv"])
def test_body(s3: Any, bucket: str, kind: str) -> None:
    """A body is kept byte for byte, whatever its Content-Type: whole, in HTTP chunks, and as a part of an upload."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    for body in (CONTENT, iter([CONTENT[:9], CONTENT[9:]])):
        s3.put_object(Bucket=bucket, Key="k", Body=b"before")
        sent = httpx.put(url, content=body, headers={"Content-Type": kind}, trust_env=False)
        kept = s3.get_object(Bucket=bucket, Key="k")
        assert (sent.status_code, kept["Body"].read(), kept["ContentType"]) == (httpx.codes.OK, CONTENT, kind)
    upload = {"Bucket": bucket, "Key": "parts"}
    upload |= {"UploadId": s3.create_multipart_upload(**upload, ContentType=kind)["UploadId"]}
    url = s3.generate_presigned_url("upload_part", Params=upload | {"PartNumber": 1})
    etag = httpx.put(url, content=CONTENT, headers={"Content-Type": kind}, trust_env=False).headers["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert s3.get_object(Bucket=bucket, Key="parts")["Body"].read() == CONTENT


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("in_chunks", [False, True])
def test_signed_chunks(emulators: Any, s3: Any, bucket: str, encoding: str, *, in_chunks: bool) -> None:
    """So do the AWS command line and SDKs send what they stream, with its checksum behind it."""
    chunks = [f"{len(part):x}{ENCODINGS[encoding]}\r\n".encode() + part for part in (CONTENT[:9], CONTENT[9:], b"")]
    trailer = f"x-amz-checksum-crc32:{b64encode(zlib.crc32(CONTENT).to_bytes(4)).decode()}\r\n"
    body = b"\r\n".join(chunks) + (trailer if encoding.endswith("TRAILER") else "").encode() + b"\r\n"
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=offline/20251120/us-east-1/s3/aws4_request, Signature=0",
        "Content-Encoding": "aws-chunked",
        "Content-Type": FORMS[0],
        "X-Amz-Content-Sha256": encoding,
        "X-Amz-Decoded-Content-Length": str(len(CONTENT)),
        "X-Amz-Trailer": "x-amz-checksum-crc32",
    }
    content = iter([body[:30], body[30:]]) if in_chunks else body
    sent = httpx.put(f"{emulators.s3_url}/{bucket}/k", content=content, headers=headers, trust_env=False)
    assert (sent.status_code, s3.get_object(Bucket=bucket, Key="k")["Body"].read()) == (httpx.codes.OK, CONTENT)


@pytest.mark.parametrize("mark", FOREIGN, ids=lambda mark: "-".join(mark.values()))
def test_foreign_page(s3: Any, bucket: str, mark: dict[str, str]) -> None:
    """A foreign web page reads nothing and changes nothing, with the known keys or after a preflight request."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    asked = [
        ("OPTIONS", "list_objects_v2", {}),
        ("GET", "list_objects_v2", {}),
        ("DELETE", "delete_object", {"Key": "k"}),
    ]
    for method, operation, more in asked:
        url = s3.generate_presigned_url(operation, Params={"Bucket": bucket, **more})
        answer = httpx.request(method, url, headers=mark, trust_env=False)
        assert answer.status_code == httpx.codes.FORBIDDEN
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"content"


def test_link(s3: Any, bucket: str) -> None:
    """A presigned link opens from any page, and no page can read the response."""
    s3.put_object(Bucket=bucket, Key="shared", Body=b"content")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "shared"})
    opened = httpx.get(url, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}, trust_env=False)
    assert opened.content == b"content"
    assert not [name for name in opened.headers if name.startswith("access-control-")]

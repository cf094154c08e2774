"""Read and write objects in S3 as streams: memory has a bound, and there are no temporary files."""

from __future__ import annotations

import functools
import io
from typing import IO, TYPE_CHECKING, Any, Self

from botocore.exceptions import ClientError

from common.errors import BadDataError, SourceMissingError

if TYPE_CHECKING:
    from types import TracebackType

#: Bytes of one part of a multipart upload: the least that S3 takes, which keeps memory low. S3 takes 10,000 parts.
PART = 5 << 20


def open_object(s3: Any, bucket: str, key: str) -> IO[bytes]:
    """Open an object for reading from its start.

    :param s3: a boto3 client.
    :raises SourceMissingError: where the object does not exist.
    """
    try:
        body: IO[bytes] = s3.get_object(Bucket=bucket, Key=key)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            raise SourceMissingError(f"s3://{bucket}/{key} does not exist") from None
        raise
    return body


class ObjectWriter(io.RawIOBase):
    """A binary file that becomes an S3 object at the end of the `with` block, whole or not at all.

    :param s3: a boto3 client.
    """

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        super().__init__()
        self.s3 = s3
        self.target = {"Bucket": bucket, "Key": key}
        #: The object's ETag, once it is complete.
        self.etag = ""
        self._buffer = bytearray()
        self._upload: dict[str, str] = {}
        self._parts: list[dict[str, Any]] = []

    def writable(self) -> bool:
        """Return True: it can be written."""
        return True

    def write(self, data: Any) -> int:
        """Collect bytes, and send a part whenever there are enough for one."""
        self._buffer += data
        while len(self._buffer) > PART:
            self._send(PART)
        return len(data)

    def __enter__(self) -> Self:
        """Return the file; nothing is sent yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete the object, or remove what was sent."""
        try:
            if kind is None:
                self.etag = self._complete()
        except BaseException:
            self._abort()
            raise
        if kind is not None:
            self._abort()

    def _send(self, size: int) -> None:
        if not self._upload:
            upload = self.s3.create_multipart_upload(**self.target)
            self._upload = {**self.target, "UploadId": upload["UploadId"]}
        number = len(self._parts) + 1
        with memoryview(self._buffer) as view:
            body = bytes(view[:size])
        part = self.s3.upload_part(**self._upload, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": part["ETag"]})
        del self._buffer[:size]

    def _complete(self) -> str:
        if not self._upload:
            answer = self.s3.put_object(**self.target, Body=bytes(self._buffer))
        else:
            self._send(len(self._buffer))
            answer = self.s3.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts})
        return str(answer["ETag"]).strip('"')

    def _abort(self) -> None:
        if self._upload:
            self.s3.abort_multipart_upload(**self._upload)
            self._upload = {}


class ObjectReader(io.RawIOBase):
    """An S3 object as a file that can seek; each read is a ranged request, so that reading a footer costs no download.

    :param s3: a boto3 client.
    :raises BadDataError: where the object does not exist.
    """

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        super().__init__()
        try:
            head = s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                raise BadDataError(key, f"is not in the bucket {bucket}") from None
            raise
        self.size: int = head["ContentLength"]
        self.etag = str(head["ETag"]).strip('"')
        self._get = functools.partial(s3.get_object, Bucket=bucket, Key=key, IfMatch=head["ETag"])
        self._at = 0

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: it can seek."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position, without a request."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Request the bytes that fit."""
        end = min(self._at + len(buffer), self.size)
        if self._at >= end:
            return 0
        data: bytes = self._get(Range=f"bytes={self._at}-{end - 1}")["Body"].read()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

"""Objects behind `s3://`, listed and fetched with boto3.

DuckDB's own S3 support is an extension that it downloads, which fails without a network. Files are fetched to a scratch
folder and read from there.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from workbench.emulators.snowflake.errors import SnowflakeError

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class StagedFile:
    """One object of a stage.

    :param url: `s3://bucket/key`.
    :param etag: changes with the content, so it shows whether the current content was loaded.
    """

    url: str
    size: int
    etag: str
    modified: datetime

    @property
    def key(self) -> str:
        """The path in the bucket."""
        return self.url.removeprefix("s3://").partition("/")[2]


class ObjectStore:
    """The S3 that the stages of an account use.

    :param endpoint: the URL of the S3 emulator.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    @cached_property
    def _client(self) -> Any:
        import boto3  # noqa: PLC0415 -- half of the start-up time of this package, and not every use has a stage
        from botocore.config import Config  # noqa: PLC0415

        return boto3.client(
            "s3",
            endpoint_url=self._endpoint,
            region_name="us-east-1",
            aws_access_key_id="emulator",
            aws_secret_access_key="emulator",  # noqa: S106 -- the S3 emulator takes any
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}, connect_timeout=5),
        )

    def files(self, url: str) -> list[StagedFile]:
        """Return the objects whose URL begins with a prefix, folders included, in order of key, as Snowflake does.

        :raises SnowflakeError: 002003 where the bucket does not exist.
        """
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        found = []
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                found += [
                    StagedFile(
                        f"s3://{bucket}/{each['Key']}", each["Size"], each["ETag"].strip('"'), each["LastModified"]
                    )
                    for each in page.get("Contents", [])
                    if not each["Key"].endswith("/")
                ]
        except (BotoCoreError, ClientError) as error:
            raise _failed(url, error) from error
        return sorted(found, key=lambda file: file.url)

    def fetch(self, file: StagedFile, folder: Path) -> Path:
        """Return a local copy; it keeps the suffix of the name, from which DuckDB infers the compression."""
        bucket, _, key = file.url.removeprefix("s3://").partition("/")
        path = folder / f"{len(list(folder.iterdir()))}-{PurePosixPath(key).name}"
        try:
            self._client.download_file(bucket, key, str(path))
        except (BotoCoreError, ClientError) as error:
            raise _failed(file.url, error) from error
        return path

    def remove(self, files: list[StagedFile]) -> None:
        """Delete objects, for PURGE = TRUE; one that cannot be deleted stays, as in Snowflake."""
        for file in files:
            bucket, _, key = file.url.removeprefix("s3://").partition("/")
            with contextlib.suppress(BotoCoreError, ClientError):
                self._client.delete_object(Bucket=bucket, Key=key)


def _failed(url: str, error: Exception) -> SnowflakeError:
    return SnowflakeError(f"Failure using stage area. Cause: [{error} ({url})]", 91003, "XX000")


def not_found(path: str) -> SnowflakeError:
    """Return the error for a file that COPY names and the stage does not hold."""
    return SnowflakeError(
        f"Remote file '{path}' was not found. There are several potential causes. The file might not exist. "
        "The required credentials may be missing or invalid. If you are running a copy command, please make sure "
        "files are not deleted when they are being loaded or files are not being loaded into two different tables "
        "concurrently with auto purge option.",
        91016,
        "22000",
    )

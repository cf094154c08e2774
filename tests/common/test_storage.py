"""Objects are there whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from common import storage
from common.errors import BadDataError, SourceMissingError
from common.storage import ObjectReader, ObjectWriter, open_object

if TYPE_CHECKING:
    from tests.conftest import Place

ROOT = Path(__file__).resolve().parents[2]
PARTS = 2 * storage.PART + 17


@pytest.mark.parametrize("size", [0, 1, storage.PART, storage.PART + 1, PARTS])
def test_sizes(place: Place, size: int) -> None:
    """An object of any size is written whole."""
    content = os.urandom(size)
    with ObjectWriter(place.s3, place.lake, "key") as writer:
        for start in range(0, size, 1_000_003):
            writer.write(memoryview(content)[start : start + 1_000_003])
    found = place.s3.get_object(Bucket=place.lake, Key="key")
    assert found["Body"].read() == content
    assert writer.etag == found["ETag"].strip('"')


@pytest.mark.parametrize("size", [10, PARTS])
def test_error(place: Place, size: int) -> None:
    """An error during a write leaves the object that was there, and no parts."""
    place.s3.put_object(Bucket=place.lake, Key="key", Body=b"before")
    with pytest.raises(ZeroDivisionError), ObjectWriter(place.s3, place.lake, "key") as writer:
        print(writer.write(bytes(size)) // 0)
    assert place.s3.get_object(Bucket=place.lake, Key="key")["Body"].read() == b"before"
    assert "Uploads" not in place.s3.list_multipart_uploads(Bucket=place.lake)


def test_killed(place: Place) -> None:
    """A writer that is killed leaves no object."""
    code = f"""
        import os, sys
        from common.pipeline import _s3
        from common.storage import ObjectWriter
        with ObjectWriter(_s3(), {place.lake!r}, "key") as writer:
            writer.write(bytes({PARTS}))
            os._exit(9)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, env=environment, check=False).returncode == 9
    assert place.lake_keys() == []


def test_missing_object(place: Place) -> None:
    """A missing source is not an error of the data; a missing object of the lake is."""
    with pytest.raises(SourceMissingError, match=r"s3://.*/no/such key.csv does not exist"):
        open_object(place.s3, place.lake, "no/such key.csv")
    with pytest.raises(BadDataError, match="is not in the bucket"):
        ObjectReader(place.s3, place.lake, "key")


def test_missing_bucket(place: Place) -> None:
    """A missing bucket is an error, not a missing source."""
    with pytest.raises(place.s3.exceptions.NoSuchBucket):
        open_object(place.s3, f"{place.lake}-not", "key")


def test_seek(place: Place) -> None:
    """A reader can seek from the start and from the end."""
    place.s3.put_object(Bucket=place.lake, Key="key", Body=b"0123456789")
    with ObjectReader(place.s3, place.lake, "key") as reader:
        assert (reader.seek(-3, 2), reader.read(2), reader.tell()) == (7, b"78", 9)
        assert (reader.seek(2), reader.read()) == (2, b"23456789")

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
def test_an_object_of_any_size_is_written_whole(place: Place, size: int) -> None:
    content = os.urandom(size)
    with ObjectWriter(place.s3, place.lake, "key") as writer:
        for start in range(0, size, 1_000_003):
            writer.write(memoryview(content)[start : start + 1_000_003])
    found = place.s3.get_object(Bucket=place.lake, Key="key")
    assert found["Body"].read() == content
    assert writer.etag == found["ETag"].strip('"')


@pytest.mark.parametrize("size", [10, PARTS])
def test_an_error_on_the_way_leaves_the_object_that_was_there(place: Place, size: int) -> None:
    place.s3.put_object(Bucket=place.lake, Key="key", Body=b"before")
    with pytest.raises(ZeroDivisionError), ObjectWriter(place.s3, place.lake, "key") as writer:
        print(writer.write(bytes(size)) // 0)
    assert place.s3.get_object(Bucket=place.lake, Key="key")["Body"].read() == b"before"
    assert "Uploads" not in place.s3.list_multipart_uploads(Bucket=place.lake)


def test_an_ingest_that_is_killed_on_the_way_leaves_nothing_to_see(place: Place) -> None:
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


def test_a_missing_object_is_no_error_of_the_data(place: Place) -> None:
    with pytest.raises(SourceMissingError, match=r"s3://.*/no/such key.csv does not exist"):
        open_object(place.s3, place.lake, "no/such key.csv")
    with pytest.raises(BadDataError, match="is not in the bucket"):
        ObjectReader(place.s3, place.lake, "key")


def test_a_missing_bucket_is_a_mistake_and_not_a_source_to_wait_for(place: Place) -> None:
    with pytest.raises(place.s3.exceptions.NoSuchBucket):
        open_object(place.s3, f"{place.lake}-not", "key")


def test_a_reader_can_seek(place: Place) -> None:
    place.s3.put_object(Bucket=place.lake, Key="key", Body=b"0123456789")
    with ObjectReader(place.s3, place.lake, "key") as reader:
        assert (reader.seek(-3, 2), reader.read(2), reader.tell()) == (7, b"78", 9)
        assert (reader.seek(2), reader.read()) == (2, b"23456789")

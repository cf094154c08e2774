"""Sample data as messy as the real sources, generated from a seed.

The same seed, day and scale produce the same bytes, whichever other days are generated. Wrong on purpose: column names
with blanks and odd capitals, an unnamed index column, customers and agents that appear twice, e-mails in mixed case,
blanks around values, empty cells, line breaks inside quotes, dates in two formats, calls that are sent again a day
later, and agents that are not in the sheet.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from workbench.emulators.spreadsheets import SpreadsheetStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

SOURCE_BUCKET, LAKE_BUCKET = "telecoms-source", "telecoms-lake"
SPREADSHEET = "telecoms-agents"

CUSTOMERS, AGENTS, CALLS, COMPLAINTS = 1000, 60, 500, 200  # at scale 1; calls and complaints each day
UNKNOWN_AGENTS = 6  # at scale 1: take calls, but are not in the sheet
FIRST_AGENT = 1001
CHUNK = 1 << 20

CUSTOMER_HEAD = ("customer iD", "name", "Gender", "DATE of biRTH", "signup DATE", "email", "address")
CALL_HEAD = (
    "Unnamed: 0", "call ID", "customeR iD", "COMPLAINT_catego ry", "agent ID", "call_start_time", "call_end_time",
    "resolutionstatus", "callLogsGenerationDate",
)  # fmt: skip
AGENT_HEAD = ("iD", "NamE", "experience", "state")

FIRST_NAMES = "Ada Chidi Ngozi Emeka Zainab Tunde Amaka Yusuf Ifeoma Bola Zoë José Siân Kwame Fatima Obinna".split()  # noqa: SIM905  # reads better
LAST_NAMES = "Okafor Balogun Adeyemi Eze Musa O'Neil Nwosu Danjuma Bello Ibrahim Müller García Okoro Ojo".split()  # noqa: SIM905  # reads better
STREETS = ("Marina Road", "Allen Avenue", "High Street", "Ring Road, Block 4", 'The "Old" Mill', "Kings Way")
CITIES = ("Lagos", "Abuja", "Kano", "Ibadan", "Port Harcourt", "Enugu")
CATEGORIES = ("Billing", "billing ", "Network Failure", "network failure", "Tech Support", " SIM Swap", "Refund")
STATUSES = ("Resolved", "resolved", "Backlog", "Pending ", "In-Progress", "")
MEDIA = ("Twitter", "facebook ", "Instagram", "TikTok", "LinkedIn")


class Sink(Protocol):
    """Where the sources are written to."""

    def put(self, key: str, content: Iterable[bytes]) -> None:
        """Write an object of the source bucket."""

    def sheet(self, tab: str, rows: Iterable[Sequence[str]]) -> None:
        """Write a tab of the spreadsheet."""


class FolderSink:
    """A folder; the sheet becomes `sheets/<tab>.csv` in it.

    :param folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, key: str, content: Iterable[bytes]) -> None:
        """Write a file."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.writelines(content)

    def sheet(self, tab: str, rows: Iterable[Sequence[str]]) -> None:
        """Write a CSV file."""
        self.put(f"sheets/{tab}.csv", _csv_chunks(rows))


class EmulatorSink:
    """Running emulators.

    :param s3_url: the URL of S3.
    :param sheets: the folder of the spreadsheets.
    :param keep: do not replace existing objects and sheets, which a user may have edited.
    """

    def __init__(self, s3_url: str, sheets: Path, *, keep: bool = False) -> None:
        import boto3  # noqa: PLC0415  # not needed to write files

        self._sheets = sheets
        self._keep = keep
        self._s3 = boto3.client(
            "s3",
            endpoint_url=s3_url,
            region_name="us-east-1",
            aws_access_key_id="offline",
            aws_secret_access_key="offline",  # noqa: S106  # not a secret: the emulator accepts any
        )

    def put(self, key: str, content: Iterable[bytes]) -> None:
        """Upload an object, in bounded memory."""
        if self._keep and any(
            found["Key"] == key
            for found in self._s3.list_objects_v2(Bucket=SOURCE_BUCKET, Prefix=key, MaxKeys=1).get("Contents", [])
        ):
            return
        self._s3.upload_fileobj(io.BufferedReader(_Stream(content), CHUNK), SOURCE_BUCKET, key)

    def sheet(self, tab: str, rows: Iterable[Sequence[str]]) -> None:
        """Replace a tab."""
        if self._keep and (self._sheets / SPREADSHEET / f"{tab}.csv").exists():
            return
        SpreadsheetStore(self._sheets).write(SPREADSHEET, "Telecoms agents", {tab: rows})


def generate(sink: Sink, *, days: Iterable[dt.date], scale: int = 1, seed: int = 0) -> None:
    """Write the customers, the agents' sheet, and a call log and a complaints file for each day."""
    sink.sheet("agents", _agents(scale, seed))
    sink.put("customers/customers_dataset.csv", _csv_chunks(_customers(scale, seed)))
    for day in days:
        sink.put(f"call logs/call_logs_day_{day}.csv", _csv_chunks(_calls(day, scale, seed)))
        sink.put(f"social_medias/media_complaint_day_{day}.json", _json_chunks(_complaints(day, scale, seed)))


def _agents(scale: int, seed: int) -> Iterator[Sequence[str]]:
    random = Random(f"{seed} agents")  # noqa: S311  # sample data is not a secret
    yield AGENT_HEAD
    for number in range(AGENTS * scale):
        name = f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}"
        row = (str(FIRST_AGENT + number), _blanks(random, name), str(random.randint(0, 20)), random.choice(CITIES))
        yield row
        if number % 20 == 7:  # noqa: PLR2004  # every twentieth was promoted, and written down again
            yield (row[0], name.upper(), "", "")


def _customers(scale: int, seed: int) -> Iterator[Sequence[str]]:
    random = Random(f"{seed} customers")  # noqa: S311  # sample data is not a secret
    yield CUSTOMER_HEAD
    for number in range(CUSTOMERS * scale):
        first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
        born = dt.date(1950, 1, 1) + dt.timedelta(days=random.randrange(20_000))
        signed = dt.date(2018, 1, 1) + dt.timedelta(days=random.randrange(2_800))
        email = f"{first}.{last}{number}@Example.{random.choice(('com', 'COM', 'org'))}".replace("'", "")
        gender = random.choice(("Male", "Female", "female", "M", ""))
        address = f"{random.randint(1, 200)} {random.choice(STREETS)}"
        address += random.choice(("\n", ", ")) + random.choice(CITIES)
        row = [_customer_id(number), _blanks(random, f"{first} {last}"), gender, _date(random, born)]
        row += [_date(random, signed), _blanks(random, email), random.choice((address, address, address, ""))]
        yield row
        if random.random() < 0.03:  # noqa: PLR2004  # three in a hundred are in the file again, moved house
            yield [
                *row[:5],
                email.upper(),
                f"{random.randint(1, 200)} {random.choice(STREETS)}\n{random.choice(CITIES)}",
            ]


def _calls(day: dt.date, scale: int, seed: int) -> Iterator[Sequence[str]]:
    random = Random(f"{seed} calls {day}")  # noqa: S311  # sample data is not a secret
    yield CALL_HEAD
    index = 0
    for number in range(CALLS * scale):
        start = dt.datetime.combine(day, dt.time()) + dt.timedelta(seconds=random.randrange(86_400))
        end = start + dt.timedelta(seconds=random.randrange(20, 3_600))
        of_day = day
        if random.random() < 0.02:  # noqa: PLR2004  # two in a hundred were sent the day before and changed since
            of_day = day - dt.timedelta(days=1)
        row = [f"CALL-{of_day:%Y%m%d}-{number:06d}", _caller(of_day, number, scale), random.choice(CATEGORIES)]
        row += [_agent(random, scale), str(start), random.choice((str(end), str(end), str(end), ""))]
        row += [random.choice(STATUSES), _date(random, day)]
        for _ in range(2 if random.random() < 0.01 else 1):  # noqa: PLR2004  # one in a hundred is in the file twice
            yield [str(index), *row]
            index += 1


def _complaints(day: dt.date, scale: int, seed: int) -> Iterator[dict[str, Any]]:
    random = Random(f"{seed} complaints {day}")  # noqa: S311  # sample data is not a secret
    for number in range(COMPLAINTS * scale):
        status = random.choice(STATUSES)
        resolved = _date(random, day + dt.timedelta(days=random.randrange(5)))
        record = {
            "complaint_id": f"SOC-{day:%Y%m%d}-{number:06d}",
            "customeR iD": _caller(day, number + 17, scale),
            "COMPLAINT_catego ry": random.choice(CATEGORIES),
            "agent ID": _agent(random, scale),
            "resolutionstatus": status,
            "request_date": _date(random, day),
            "resolution_date": resolved if status.lower() == "resolved" else random.choice((None, "")),
            "media_channel": random.choice(MEDIA),
            "MediaComplaintGenerationDate": _date(random, day),
        }
        for _ in range(2 if random.random() < 0.01 else 1):  # noqa: PLR2004  # one in a hundred is in the file twice
            yield record


def _customer_id(number: int) -> str:
    return f"CUST-{number:07d}"


def _caller(day: dt.date, number: int, scale: int) -> str:
    """Return the customer of a call, the same on whichever day it is sent; one in a hundred is unknown."""
    return _customer_id((number * 7919 + day.toordinal()) % (CUSTOMERS * scale * 101 // 100))


def _agent(random: Random, scale: int) -> str:
    return str(FIRST_AGENT + random.randrange((AGENTS + UNKNOWN_AGENTS) * scale))


def _date(random: Random, date: dt.date) -> str:
    return f"{date:%d/%m/%Y}" if random.random() < 0.3 else date.isoformat()  # noqa: PLR2004  # the second format's share


def _blanks(random: Random, text: str) -> str:
    return random.choice((text, text, text + "  ", " " + text))


def _csv_chunks(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in rows:
        writer.writerow(row)
        if buffer.tell() > CHUNK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _json_chunks(records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    before = b"[\n"
    for record in records:
        yield before + json.dumps(record, ensure_ascii=False).encode()
        before = b",\n"
    yield b"\n]\n"


class _Stream(io.RawIOBase):
    """Chunks as a file to read from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = chunk
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

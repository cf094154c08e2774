"""Load the lake into Snowflake exactly once, by single statements.

A load attempt is one COPY of one file under a load id of its own; its rows are invisible. One INSERT into the ledger
publishes a batch of attempts at once. So a crash between any two statements leaves rows that nobody sees, and a
repeated statement leaves the same visible rows. No transaction spans statements: a client that died in one would leave
it open, with its locks.
"""

from __future__ import annotations

import logging
import re
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from common.datasets import DATASETS, INGESTED_AT, ROW
from common.errors import AccessRefusedError, BadDataError, StatementRefusedError
from common.pending import UNKNOWN, Notice, Pending, utc_text
from common.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from common.datasets import Dataset
    from common.pending import Partition

log = logging.getLogger(__name__)

CONNECTION = "snowflake_default"

#: How long the rows of a superseded attempt stay, for readers with an older snapshot.
KEEP = timedelta(days=1)
#: A staged attempt that is older is not published: `tidy` may have deleted its rows. Well within `KEEP`.
PUBLISH_WITHIN = timedelta(hours=12)

#: Partitions of one run; Airflow maps a task at most 1,024 times. The next run takes the rest.
MOST = 500

#: Snowflake's number for an object that does not exist (or that the role may not see).
_MISSING = 2003
#: Snowflake's numbers for errors of the data; all others are of the statement or the service.
_BAD_FILE = range(100_000, 101_000)
#: Refusals by login or network policy, and a database that does not exist for the role. 250001 is the connector's own,
#: also for a server that does not answer.
_REFUSED_LOGIN = {90105, 250001, 390100, 390101, 390102, 390144, 390189, 390201, 390422, 394304}


class Load(TypedDict):
    """One announced partition on its way into the warehouse; travels by XCom.

    `announced_at` is ISO 8601 in UTC. `notices` are the keys of the notices that it answers.
    """

    dataset: str
    partition: str
    key: str
    rows: int
    etag: str
    announced_at: str
    notices: list[str]


class Staged(Load):
    """A load attempt whose rows are in the warehouse and not visible yet."""

    load_id: str


class Batch(TypedDict):
    """The `extra` of the warehouse's event: partitions that were published together."""

    batch: str
    partitions: list[str]
    rows: int


@dataclass(frozen=True)
class Current:
    """The load of a partition that readers see."""

    etag: str
    announced_at: str


@dataclass(frozen=True)
class Ledger:
    """What the warehouse knows of some partitions.

    :ivar rejected: announcements whose file was bad.
    """

    current: dict[Partition, Current]
    rejected: set[tuple[Partition, str]]

    def lacks(self, notice: Notice) -> bool:
        """Return whether this is newer than what is loaded, and another file."""
        current = self.current.get(notice.of, Current("", ""))
        return current.etag != notice.etag and current.announced_at < notice.announced_at

    def rejects(self, notice: Notice) -> bool:
        """Return whether its file was bad."""
        return (notice.of, notice.announced_at) in self.rejected

    def published(self, notice: Notice) -> bool:
        """Return whether exactly this announcement is loaded."""
        return notice.of in self.current and self.current[notice.of].announced_at == notice.announced_at


@dataclass(frozen=True)
class Warehouse:
    """The warehouse behind one connection.

    :param sql: the folder with the statements.
    :param hook: a `SnowflakeHook`; made from the connection where it is not given.
    """

    sql: Path
    hook: Any = None

    def to_load(self, s3: Any, events: Mapping[str, Iterable[Any]], *, retry_rejected: bool = False) -> list[Load]:
        """Return what was announced and is not loaded.

        If a notice still exists though its file is loaded, its publication was killed between its commit and its event:
        that partition is published again.

        :param s3: a boto3 client.
        :param events: dataset -> the events of its asset that the run received, each with `timestamp` and `extra`.
        :param retry_rejected: also return those whose file was bad.
        """
        pending = Pending(s3, _lake_bucket())
        notices, received = pending.notices(), latest_notices(events)
        ledger = self._ledger({*notices, *received})
        for notice in received.values():  # made by a person, or answered long ago
            if notice not in notices.get(notice.of, ()) and ledger.lacks(notice):
                pending.add(notice)
                notices.setdefault(notice.of, []).append(notice)
        todo, answered = [], []
        for of_partition in notices.values():
            latest, keys = max(of_partition), [notice.key for notice in of_partition]
            if not ledger.lacks(latest) and not any(map(ledger.published, of_partition)):
                answered += keys
            elif retry_rejected or ledger.published(latest) or not ledger.rejects(latest):
                todo.append(_load(latest, keys))
        pending.remove(answered)
        if len(todo) > MOST:
            log.warning(
                "%d partitions are left for the next run; the sweep starts one if no event does", len(todo) - MOST
            )
            todo = sorted(todo, key=lambda load: load["announced_at"])[:MOST]
        if todo:
            self._run("setup.sql", lake_url=f"s3://{_lake_bucket()}/raw/")
        return todo

    def stage(self, s3: Any, load: Load) -> Staged:
        """Copy one partition's file into the warehouse, invisibly.

        :param s3: a boto3 client.
        :raises BadDataError: where the file is not what was announced; the announcement is then rejected.
        """
        dataset = DATASETS[load["dataset"]]
        try:
            etag, rows = check_parquet(s3, _lake_bucket(), load, dataset)
            load_id = self._copy(dataset, load, rows)
        except BadDataError as error:
            self._run("reject.sql", **load, reason=str(error)[:1000], now=_now())
            raise
        # An ingest may have replaced the object since it was announced: what was read is what is recorded.
        return {**load, "etag": etag, "rows": rows, "load_id": load_id}

    def publish(self, staged: Iterable[Staged]) -> tuple[Batch, list[str]] | None:
        """Make staged attempts current, all at once.

        :return: what the event says, and the notices that are answered once it is out; None where nothing was staged.
        """
        oldest = load_id_of(datetime.now(UTC) - PUBLISH_WITHIN)
        loads = [load for load in staged if load["load_id"] > oldest]
        if not loads:
            return None
        now = _now()
        batch = load_id_of(datetime.now(UTC))
        values = {f"{name}_{i}": value for i, load in enumerate(loads, start=1) for name, value in load.items()}
        self._run("publish.sql", loads=loads, **values, batch=batch, now=now)
        partitions = sorted(f"{load['dataset']}/{load['partition']}" for load in loads)
        answered = [key for load in loads for key in load["notices"]]
        return {"batch": batch, "partitions": partitions, "rows": sum(load["rows"] for load in loads)}, answered

    def tidy(self) -> None:
        """Delete the rows of attempts that were invisible to all readers for a day."""
        horizon = datetime.now(UTC) - KEEP
        self._run("tidy.sql", horizon=utc_text(horizon), horizon_id=load_id_of(horizon))

    def _ledger(self, partitions: set[Partition]) -> Ledger:
        """Query these partitions, and not the whole history."""
        ledger, left = Ledger({}, set()), sorted({partition for _, partition in partitions})
        while left:
            asked = {f"key_{i}": partition for i, partition in enumerate(left[:MOST])}
            del left[:MOST]
            for dataset, partition, etag, announced_at, is_rejected in self._loaded(asked):
                of, moment = (dataset, partition), utc_text(announced_at)
                if is_rejected:
                    ledger.rejected.add((of, moment))
                else:
                    ledger.current[of] = Current(etag, moment)
        return ledger

    def _loaded(self, keys: Mapping[str, str]) -> list[Any]:
        try:
            return list(self._run("loaded.sql", keys=list(keys), **keys))
        except connector_errors().ProgrammingError as error:
            if error.errno == _MISSING:
                return []  # the first load of all
            raise

    def _copy(self, dataset: Dataset, load: Load, rows: int) -> str:
        load_id = new_load_id()
        folder, _, file = load["key"].removeprefix("raw/").rpartition("/")
        names = {"load_id": load_id, "partition": load["partition"], "folder": f"{folder}/", "file": file}
        try:
            result = self._run("stage.sql", dataset=dataset, **names)
        except connector_errors().ProgrammingError as error:
            if error.errno in _BAD_FILE:
                raise BadDataError(load["key"], str(error.raw_msg or error.msg).strip()) from error
            raise
        loaded = sum(line[3] for line in result)
        if loaded != rows:
            raise BadDataError(load["key"], f"{loaded} of {rows} rows were loaded: {result}")
        return load_id

    def _run(self, file: str, /, **values: Any) -> Any:
        """Run a file's statements, each by itself; `values` fill its identifiers and bind its parameters."""
        connector_errors()
        from airflow.providers.common.sql.hooks.handlers import fetch_all_handler
        from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook

        hook = self.hook or SnowflakeHook(CONNECTION)
        text = render(self.sql / file, values)
        bound = {name: value for name, value in values.items() if isinstance(value, str | int)}
        with refusals_as_errors():
            return hook.run(text, autocommit=True, parameters=bound, handler=fetch_all_handler, split_statements=True)


def latest_notices(events: Mapping[str, Iterable[Any]]) -> dict[Partition, Notice]:
    """Return the newest announcement of each partition; it supersedes the older ones, whose file was replaced."""
    latest: dict[Partition, Notice] = {}
    for dataset, of_dataset in events.items():
        for event in of_dataset:
            extra = event.extra or {}
            if "partition" not in extra:
                log.warning("An event of %s at %s names no partition and is ignored", dataset, event.timestamp)
                continue  # for instance one that a person made in the UI
            # An event without an ETag, made by a person, means the file that is there now.
            notice = Notice(utc_text(event.timestamp), dataset, str(extra["partition"]), 0, UNKNOWN)
            if extra.keys() >= {"rows", "etag", "announced_at"}:
                notice = replace(notice, **{name: extra[name] for name in ("rows", "etag", "announced_at")})
            latest[notice.of] = max(notice, latest.get(notice.of, notice))
    return latest


def _load(notice: Notice, keys: list[str]) -> Load:
    return {
        "dataset": notice.dataset,
        "partition": notice.partition,
        "key": DATASETS[notice.dataset].lake_key(notice.partition),
        "rows": notice.rows,
        "etag": notice.etag,
        "announced_at": notice.announced_at,
        "notices": keys,
    }


def check_parquet(s3: Any, bucket: str, load: Load, dataset: Dataset) -> tuple[str, int]:
    """Read a Parquet object's footer, no more, and compare it with the announcement.

    Snowflake would silently fill a missing column with NULLs.

    :return: the object's ETag and its number of rows.
    :raises BadDataError: where it is missing, empty, not Parquet, or has other columns or rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from common.storage import ObjectReader

    key = load["key"]
    with ObjectReader(s3, bucket, key) as source:
        if not source.size:
            raise BadDataError(key, "is empty")
        try:
            metadata = pq.read_metadata(source)
        except (pa.ArrowInvalid, OSError) as error:
            raise BadDataError(key, f"is not Parquet: {error}") from None
    expected = [*dataset.columns, ROW, INGESTED_AT]
    found = metadata.schema.to_arrow_schema().names
    if missing := [column for column in expected if column not in found]:
        why = f"{', '.join(missing)} missing; expected {', '.join(expected)}; found {', '.join(found)}"
        raise BadDataError(key, why, column=missing[0])
    if not metadata.num_rows:
        raise BadDataError(key, "has no rows")
    if source.etag == load["etag"] and metadata.num_rows != load["rows"]:
        raise BadDataError(key, f"has {metadata.num_rows} rows instead of the announced {load['rows']}")
    return source.etag, metadata.num_rows


def connector_errors() -> Any:
    """Import Snowflake's connector without pandas, and return its module of errors.

    The connector imports pandas where it is installed: 36 MiB and 0.2 s for each task, and no task uses data frames.
    """
    missing = object()
    pandas = sys.modules.get("pandas", missing)
    if pandas is missing:
        sys.modules["pandas"] = None  # type: ignore[assignment]  # then `import pandas` fails
    try:
        from snowflake.connector import errors
    finally:
        if pandas is missing:
            del sys.modules["pandas"]
    return errors


@contextmanager
def refusals_as_errors() -> Iterator[None]:
    """Raise errors of our own for what a retry cannot fix: a refused login, a statement that is wrong or forbidden."""
    errors = connector_errors()
    try:
        yield
    except errors.DatabaseError as error:
        if error.errno in _REFUSED_LOGIN:
            raise AccessRefusedError("Snowflake", str(error.raw_msg or error.msg).strip(), CONNECTION) from None
        if str(error.sqlstate).startswith("42") and error.errno != _MISSING:
            raise StatementRefusedError(str(error.msg).strip()) from error
        raise


def render(file: Path, values: Mapping[str, Any]) -> str:
    """Return a file's statements with their identifiers filled in; values stay bound parameters."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Not HTML: identifiers are checked instead of escaped.
    environment = Environment(loader=FileSystemLoader(file.parent), undefined=StrictUndefined)  # noqa: S701
    environment.filters["identifier"] = _identifier
    environment.filters["path"] = _path
    environment.globals |= {
        "datasets": list(DATASETS.values()),
        "storage_integration": Settings.from_environment().storage_integration,
    }
    return environment.get_template(file.name).render(values)


def new_load_id() -> str:
    """Return an id that is unique and sorts by time."""
    return f"{load_id_of(datetime.now(UTC))}-{uuid.uuid4().hex[:12]}"


def load_id_of(moment: datetime) -> str:
    """Return the beginning of the ids of attempts that begin at a moment; later ids sort after it."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z"


def _identifier(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", name):
        raise ValueError(f"{name!r} is not an identifier")
    return name


def _path(path: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_./-]+", path):
        raise ValueError(f"{path!r} is not a plain path")
    return path


def _now() -> str:
    return utc_text(datetime.now(UTC))


def _lake_bucket() -> str:
    return Settings.from_environment().lake_bucket

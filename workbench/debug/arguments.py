"""The request for one run, as words on a command line or as answers to an editor's prompts."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A semicolon that is not quoted.
_BETWEEN = re.compile(r""";(?=(?:[^"]*"[^"]*")*[^"]*$)""")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Request:
    """One run as it is asked for; nothing of it is checked against a DAG yet.

    :ivar dag_id: None where the file has one DAG, or the user is asked.
    :ivar file: the DAG file; None where the id is enough.
    :ivar params: text by name; the DAG declares the types.
    :ivar tasks: ids or patterns; none means all.
    :ivar events: assets by name or URI, each with its event's `extra`.
    """

    dag_id: str | None = None
    file: Path | None = None
    date: datetime | None = None
    conf: dict[str, Any] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    events: tuple[tuple[str, dict[str, Any]], ...] = ()
    slack: bool = False


def add_arguments(parser: argparse.ArgumentParser, *, dag_known: bool = False) -> None:
    """Declare what `request` reads.

    :param dag_known: whether the DAG is not asked for, because a DAG file runs itself.
    """
    if dag_known:
        parser.add_argument("words", nargs="*", metavar="date", help="logical date as YYYY-MM-DD")
        parser.set_defaults(file=None)
    else:
        help_ = "the DAG's id as in the UI, then its logical date as YYYY-MM-DD"
        parser.add_argument("words", nargs="*", metavar="DAG [date]", help=help_)
        parser.add_argument("--file", type=Path, help="run the DAG in this file; asks which one if there are several")
    add_values(parser)
    parser.add_argument(
        "--task",
        action="append",
        default=[],
        metavar="T",
        help="run only this task, or all that match, such as 'load_*'",
    )
    parser.add_argument(
        "--event",
        type=str,
        nargs="+",
        action="append",
        default=[],
        metavar=("ASSET", "K=V"),
        help="simulate an update of this asset that triggers the run",
    )
    parser.add_argument("--slack", action="store_true", help="send failure alerts to Slack instead of the terminal")
    parser.add_argument(
        "--inputs",
        nargs=4,
        metavar=("DATE", "PARAMS", "TASKS", "EVENTS"),
        help="for editors: the answers to four prompts, '' if empty; PARAMS can be JSON, ';' separates EVENTS",
    )


def add_values(parser: argparse.ArgumentParser) -> None:
    """Declare what becomes the run's `conf`."""
    parser.add_argument(
        "--conf", type=json_object, default={}, help='conf of the run as JSON: {"partition": "2025-11-21"}'
    )
    parser.add_argument(
        "--param", type=pair, action="append", default=[], metavar="K=V", help="one param of the run; can be repeated"
    )


def request(
    parser: argparse.ArgumentParser, args: argparse.Namespace, *, needs_dag: bool = True, dag_known: bool = False
) -> Request:
    """Return the request of a command line; exits with 2 where it contradicts itself.

    :param needs_dag: whether a DAG or a file has to be named.
    :param dag_known: as for `add_arguments`.
    """
    try:
        given = inputs(*args.inputs) if args.inputs else Request()
        dates = [word for word in args.words if _DATE.match(word)]
        ids = [word for word in args.words if not _DATE.match(word)]
        if dag_known and ids:
            parser.error(f"{ids[0]} is not a valid date: write YYYY-MM-DD")
        if len(dates) > 1 or len(ids) > 1 or (needs_dag and not dag_known and not (ids or args.file)):
            parser.error("give one DAG or a --file, and at most one date as YYYY-MM-DD")
        return Request(
            dag_id=ids[0] if ids else None,
            file=args.file,
            date=moment(dates[0]) if dates else given.date,
            conf={**given.conf, **args.conf},
            params={**given.params, **dict(args.param)},
            tasks=(*given.tasks, *args.task),
            events=(*given.events, *(event(words) for words in args.event)),
            slack=args.slack,
        )
    except (ValueError, argparse.ArgumentTypeError) as error:
        parser.error(str(error))


def words(asked: Request) -> list[str]:
    """Return the command line that asks for the same."""
    found = [asked.dag_id] if asked.dag_id else []
    found += [asked.date.isoformat()] if asked.date else []
    found += ["--file", str(asked.file)] if asked.file else []
    found += ["--conf", json.dumps(asked.conf)] if asked.conf else []
    found += [word for name, text in asked.params.items() for word in ("--param", f"{name}={text}")]
    found += [word for task in asked.tasks for word in ("--task", task)]
    found += [word for asset, extra in asked.events for word in ("--event", asset, json.dumps(extra))]
    return [*found, "--slack"] if asked.slack else found


def inputs(date: str, params: str, tasks: str, events: str) -> Request:
    """Read the answers to an editor's prompts, each of which may be empty."""
    is_json = params.lstrip().startswith("{")
    return Request(
        date=moment(date.strip()) if date.strip() else None,
        conf=json_object(params) if is_json else {},
        params={} if is_json else dict(pair(word) for word in shlex.split(params)),
        tasks=tuple(shlex.split(tasks)),
        events=tuple(_typed(text.strip()) for text in _BETWEEN.split(events) if text.strip()),
    )


def event(words: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Read an asset and its event's `extra`: `KEY=VALUE` words, or one JSON object."""
    asset, *rest = words
    if len(rest) == 1 and rest[0].lstrip().startswith("{"):
        return asset, json_object(rest[0])
    return asset, {key: value(text) for key, text in map(pair, rest)}


def value(text: str) -> Any:
    """Read JSON, or else text: `5` is a number, `2025-11-20` a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def moment(text: str) -> datetime:
    """Read a date or a time, in UTC if it has no zone."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a valid date: {error}") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def pair(text: str) -> tuple[str, str]:
    """Read `KEY=VALUE`."""
    key, sign, rest = text.partition("=")
    if not sign or not key:
        raise argparse.ArgumentTypeError(f"{text} does not have the form KEY=VALUE (put DAG before --event)")
    return key, rest


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(f"{text} is not a valid JSON object: {error}") from None


def _typed(text: str) -> tuple[str, dict[str, Any]]:
    """Read one event as it is typed into a prompt, in which JSON has no quotes around it."""
    asset, _, extra = text.partition(" ")
    if extra.lstrip().startswith("{"):
        return asset, json_object(extra)
    return event(shlex.split(text))

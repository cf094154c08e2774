"""The command line: create the keys, serve, upload sample data."""

from __future__ import annotations

import argparse
import datetime as dt
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.emulators.isolation import isolate_environment
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m workbench.emulators`.

    :return: 0, or 1 for a foreseen failure; usage errors exit with 2, other errors keep their traceback.
    """
    args = _parser().parse_args(argv)
    isolate_environment()
    try:
        status: int = args.run(args)
    except UserError as error:
        return _report(error.what, error.why, error.fix)
    except (OSError, sqlite3.Error) as error:
        return _report(f"the emulators failed on {args.data}", str(error), "free disk space, or fix its permissions")
    return status


def _report(what: str, why: str, fix: str) -> int:
    print(f"error: {what}\n  why:  {why}\n  fix:  {fix}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workbench.emulators", description="Emulators for S3, Snowflake, Google, Slack."
    )
    commands = parser.add_subparsers(metavar="command", required=True)

    command = commands.add_parser(
        "keys", help="create the throwaway certificates and the Google key, if they are missing"
    )
    command.add_argument("--keys", type=Path, required=True, help="the folder to create them in")
    command.add_argument("--host", action="append", default=[], help="a host name that clients use for the emulators")
    command.add_argument("--port", type=int, default=8090, help="the port in the Google key (8090)")
    command.set_defaults(run=_keys, data=None)

    command = commands.add_parser("serve", help="serve in the foreground until SIGTERM")
    command.add_argument("--data", type=Path, required=True, help="the data directory")
    command.add_argument("--keys", type=Path, required=True, help="the folder of the keys; missing keys are created")
    command.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    command.add_argument("--allow-host", action="append", default=[], help="another host name that clients may use")
    command.add_argument("--port", type=int, default=8090, help="start page, Google and Slack (8090); 0: a free port")
    command.add_argument("--s3-port", type=int, default=8091, help="S3 (8091)")
    command.add_argument("--snowflake-port", type=int, default=8092, help="Snowflake, over TLS (8092)")
    command.add_argument("--empty", action="store_true", help="no sample data at the first start")
    command.set_defaults(run=_serve)

    command = commands.add_parser("sample", help="upload sample data to running emulators")
    command.add_argument("--data", type=Path, required=True, help="the emulators' data directory, for the sheets")
    command.add_argument("--s3-url", required=True, help="the URL of S3")
    command.add_argument(
        "--days",
        type=_days,
        default="2025-11-20:2025-11-22",
        help="first and last day of daily files, YYYY-MM-DD:YYYY-MM-DD",
    )
    command.add_argument("--scale", type=int, default=1, help="multiple of the default size (1)")
    command.add_argument("--seed", type=int, default=0, help="seed of the random data (0)")
    command.add_argument("--keep", action="store_true", help="do not replace existing objects and sheets")
    command.set_defaults(run=_sample)
    return parser


def _days(text: str) -> list[dt.date]:
    first, _, last = text.partition(":")
    try:
        begin, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid range of days: use YYYY-MM-DD or YYYY-MM-DD:YYYY-MM-DD"
        ) from None
    return [begin + dt.timedelta(days=number) for number in range((end - begin).days + 1)]


def _keys(args: argparse.Namespace) -> int:
    from workbench.emulators import keys  # noqa: PLC0415  # each command imports what it needs

    keys.ensure(args.keys, args.host, args.port)
    return 0


def _serve(args: argparse.Namespace) -> int:
    from workbench.emulators import process  # noqa: PLC0415  # as above

    return process.run(
        process.Options(
            data=args.data,
            keys=args.keys,
            host=args.host,
            port=args.port,
            s3_port=args.s3_port,
            snowflake_port=args.snowflake_port,
            allow_host=args.allow_host,
            empty=args.empty,
        )
    )


def _sample(args: argparse.Namespace) -> int:
    from workbench.emulators import sample  # noqa: PLC0415  # as above

    sink = sample.EmulatorSink(args.s3_url, args.data / "sheets", keep=args.keep)
    sample.generate(sink, days=args.days, scale=args.scale, seed=args.seed)
    return 0

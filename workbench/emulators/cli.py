"""The command line: make the keys, serve, upload sample data."""

from __future__ import annotations

import argparse
import datetime as dt
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.emulators.errors import EmulatorError
from workbench.emulators.seclusion import seclude

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m workbench.emulators`.

    :return: 0, or 1 where a foreseen failure was told; usage errors exit with 2, others keep their traceback.
    """
    args = _parser().parse_args(argv)
    seclude()
    try:
        status: int = args.run(args)
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, sqlite3.Error) as error:
        failure = EmulatorError(
            f"the emulators failed on {args.data}", str(error), "free disk space, or fix its rights"
        )
        print(failure, file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workbench.emulators", description="Emulators for S3, Snowflake, Google, Slack."
    )
    commands = parser.add_subparsers(metavar="command", required=True)

    command = commands.add_parser("keys", help="make the throwaway certificates and the Google key, once")
    command.add_argument("--keys", type=Path, required=True, help="where to put them")
    command.add_argument("--host", action="append", default=[], help="a name under which clients reach the emulators")
    command.add_argument("--port", type=int, default=8090, help="the port that the Google key names (8090)")
    command.set_defaults(run=_keys, data=None)

    command = commands.add_parser("serve", help="serve in the foreground until SIGTERM")
    command.add_argument("--data", type=Path, required=True, help="where everything is kept")
    command.add_argument("--keys", type=Path, required=True, help="where the keys are, or are to be made")
    command.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    command.add_argument("--allow-host", action="append", default=[], help="another name that clients may use")
    command.add_argument(
        "--port", type=int, default=8090, help="start page, Google and Slack (8090); 0 takes a free one"
    )
    command.add_argument("--s3-port", type=int, default=8091, help="S3 (8091)")
    command.add_argument("--snowflake-port", type=int, default=8092, help="Snowflake, over TLS (8092)")
    command.add_argument("--empty", action="store_true", help="no sample data at the first start")
    command.set_defaults(run=_serve)

    command = commands.add_parser("sample", help="upload sample data to running emulators")
    command.add_argument("--data", type=Path, required=True, help="the data directory of the emulators, for the sheets")
    command.add_argument("--s3-url", required=True, help="where S3 is")
    command.add_argument(
        "--days", type=_days, default="2025-11-20:2025-11-22", help="first and last day of daily files"
    )
    command.add_argument("--scale", type=int, default=1, help="how many times the default size (1)")
    command.add_argument("--seed", type=int, default=0, help="another seed makes other data (0)")
    command.add_argument("--keep", action="store_true", help="leave objects and sheets that are there as they are")
    command.set_defaults(run=_sample)
    return parser


def _days(text: str) -> list[dt.date]:
    first, _, last = text.partition(":")
    try:
        begin, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; give YYYY-MM-DD or YYYY-MM-DD:YYYY-MM-DD") from None
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

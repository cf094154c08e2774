"""List the connections without their secrets, and test them."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workbench.cli import conn_probe
from workbench.cli.backends import choice
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console

    from workbench.cli.settings import Connection, Settings

GROUP = "set up"
#: The Snowflake connector alone retries a host that does not answer for five minutes.
TIMEOUT_SECONDS = 60
HIDDEN = "***"


@dataclass(frozen=True)
class Shown:
    """One connection without its secrets.

    :ivar where: the address it goes to.
    :ivar works: what the test found; None where it was not tested.
    :ivar answer: what the service answered, or why it was not tested.
    """

    conn_id: str
    conn_type: str
    is_emulator: bool
    where: str
    works: bool | None = None
    answer: str = ""


@dataclass(frozen=True)
class Connections:
    """All that were asked for."""

    shown: tuple[Shown, ...]

    @property
    def ok(self) -> bool:
        """Whether no test failed; a connection that was not tested has not failed."""
        return all(each.works is not False for each in self.shown)

    def to_json(self) -> dict[str, Any]:
        """Return them for scripts."""
        return {"ok": self.ok, "connections": [vars(each) for each in self.shown]}

    def to_text(self, console: Console) -> None:
        """Print a table."""
        for each in self.shown:
            kind = "emulator" if each.is_emulator else "[bold red]REAL[/]    "
            test = {None: "not tested" if each.answer else "", True: "[green]works[/]", False: "[red]fails[/]"}[
                each.works
            ]
            console.print(f"{each.conn_id:<22} {kind}  {each.where:<28} {test}", end="  ")
            console.print(each.answer, markup=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    parser.add_argument(
        "words", nargs="*", metavar="[test] CONN_ID", help="the connections to list or test; default: all"
    )
    parser.add_argument(
        "--test", action="store_true", help="test each connection with one real call; exit with 1 if one fails"
    )


def run(args: argparse.Namespace) -> Connections:
    """Show the connections that were asked for."""
    backend = choice.choose(args)
    test = args.test or args.words[:1] == ["test"]
    wanted = args.words[1:] if args.words[:1] == ["test"] else args.words
    known = {each.conn_id: each for each in backend.settings.connections}
    if unknown := [name for name in wanted if name not in known]:
        why = f"the connections are {', '.join(known)}"
        raise UserError(f"the connection {unknown[0]} does not exist", why, "./dev conn", "connection-unknown")
    connections = [known[name] for name in wanted or known]
    if not test:
        return Connections(tuple(map(show, connections)))
    python = backend.python()
    with ThreadPoolExecutor(2) as pool:
        return Connections(tuple(pool.map(lambda each: probe(backend.settings, python, each), connections)))


def show(connection: Connection) -> Shown:
    """Return a connection without anything that could be a secret."""
    return Shown(connection.conn_id, connection.conn_type, connection.is_emulator, destination(connection.value))


def destination(value: str) -> str:
    """Return where a connection goes: host and port of its endpoint, or the account it names."""
    if not value.startswith("{"):
        return urlsplit(value).hostname or ""
    connection = json.loads(value)
    extra = extra_of(connection)
    for key in ("endpoint_url", "api_endpoint", "base_url"):
        if extra.get(key):
            parts = urlsplit(str(extra[key]))
            return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    host = connection.get("host") or extra.get("host")
    port = connection.get("port") or extra.get("port")
    if host:
        return f"{host}:{port}" if port else str(host)
    return str(extra.get("account") or extra.get("region_name") or "the vendor's own address")


def probe(settings: Settings, python: Sequence[str], connection: Connection) -> Shown:
    """Make one call through the hook that the DAGs use.

    :param python: the command that runs Python where tasks run.
    """
    shown = show(connection)
    if connection.conn_type not in conn_probe.PROBES:
        why = f"there is no test for the type {connection.conn_type} (add one in workbench/cli/conn_probe.py)"
        return replace(shown, answer=why)
    command = [*python, "-m", "workbench.cli.conn_probe", connection.conn_id, connection.conn_type]
    try:
        result = subprocess.run(
            command,
            cwd=settings.root,
            env=settings.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return replace(shown, works=False, answer=f"no answer within {TIMEOUT_SECONDS} s")
    lines = (result.stdout.strip() or result.stderr.strip() or "the test printed nothing").splitlines()
    return replace(shown, works=result.returncode == 0, answer=redact(lines[-1], connection.value))


def redact(text: str, value: str) -> str:
    """Replace every secret of a connection in a text."""
    for secret in sorted(secrets_of(value), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def secrets_of(value: str) -> set[str]:
    """Return what must not be shown: the password, and every extra that is not known to be harmless."""
    if not value.startswith("{"):
        parts = urlsplit(value)
        return {each for each in (parts.password, parts.query) if each}
    connection = json.loads(value)
    harmless = {"account", "host", "port", "database", "warehouse", "role", "region_name", "endpoint_url"}
    harmless |= {"api_endpoint", "base_url", "scope", "key_path", "insecure_mode", "schema", "timeout", "region"}
    found = {str(connection.get("password") or "")}
    found |= {text for name, each in extra_of(connection).items() if name not in harmless for text in _texts(each)}
    shortest = 4  # hiding "a" would hide nothing and spoil every message
    return {each for each in found if len(each) >= shortest}


def extra_of(connection: dict[str, Any]) -> dict[str, Any]:
    """Return a connection's extra, which may be an object or the JSON of one."""
    extra = connection.get("extra") or {}
    if isinstance(extra, str):
        try:
            extra = json.loads(extra)
        except json.JSONDecodeError:
            return {}
    return extra if isinstance(extra, dict) else {}


def _texts(value: object) -> set[str]:
    if isinstance(value, dict):
        return {text for each in value.values() for text in _texts(each)}
    return {value} if isinstance(value, str) else set()

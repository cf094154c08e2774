"""Send a sample of each kind of failure alert to Slack, to see what they look like and that they arrive."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from workbench.cli.alert_samples import samples
from workbench.cli.backends import choice
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from workbench.cli.backends.choice import Place

CONNECTION = "slack_api_default"
#: Seconds: Airflow is imported, and a message that is not taken is the last one.
PATIENCE = 180


@dataclass(frozen=True)
class Alerted:
    """What was sent.

    :ivar messages: each with its `kind`, `title` and `channel`.
    :ivar inbox: the page that shows them; None where they went to a real Slack.
    """

    messages: tuple[dict[str, Any], ...]
    inbox: str | None
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return them for scripts."""
        return {"ok": self.ok, "messages": list(self.messages), "inbox": self.inbox}

    def to_text(self, console: Console) -> None:
        """Print a line for each, and where to look."""
        for each in self.messages:
            console.print(f"  {each['kind']:<10} {each['title']}", markup=False)
        channels = ", ".join(sorted({each["channel"] for each in self.messages}))
        console.print(
            f"{len(self.messages)} sent to {channels}. Look at them: {self.inbox or 'in Slack'}", markup=False
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"all by default: {', '.join(samples())}")
    parser.add_argument("--real", action="store_true", help="do not ask, even where they go to a real Slack")


def run(args: argparse.Namespace) -> Alerted:
    """Send them through `SlackAPIPostOperator`, from where tasks run."""
    if unknown := [kind for kind in args.kinds if kind not in samples()]:
        raise UserError(f"there is no sample {unknown[0]}", f"there are {', '.join(samples())}", "./dev alert")
    where = choice.chosen(args)
    kinds = args.kinds or list(samples())
    known = {each.conn_id: each for each in where.settings.connections}
    if known[CONNECTION].is_emulator:
        require(where.settings.emulators_url)
    elif not args.real:
        ask(len(kinds))
    inbox = f"{where.settings.emulators_url}/slack" if known[CONNECTION].is_emulator else None
    return Alerted(send(where, kinds), inbox)


def require(emulators: str) -> None:
    """Say at once that the emulators are down.

    :raises UserError: where they do not answer.
    """
    try:
        httpx.get(f"{emulators}/healthz", timeout=5, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        why = f"{emulators}: {error}"
        raise UserError("the emulators are not running, and alerts go to them", why, "./dev up") from None


def ask(count: int) -> None:
    """Have a person confirm.

    :raises UserError: where nobody is there to ask, or the answer is no.
    """
    what = f"{CONNECTION} is a real Slack: its channel would get {count} sample message{'s' if count > 1 else ''}"
    fix = "./dev alert --real, or ./dev alert exception --real for one message"
    if not sys.stdin.isatty():
        raise UserError("alert sends nothing to a real Slack without being told", what, fix)
    print(f"{what}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UserError("nothing was sent", "the answer was not yes", fix)


def send(where: Place, kinds: list[str]) -> tuple[dict[str, Any], ...]:
    """Send them.

    :raises UserError: where Slack did not take one; no more are sent then.
    """
    try:
        result = subprocess.run(
            [*where.python(), "-m", "workbench.cli.alert_send", *kinds],
            cwd=where.settings.root,
            env=where.settings.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError("the samples were not sent", f"it took more than {PATIENCE} s", "./dev conn --test") from None
    told = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    if told and not told[-1]["sent"]:
        failed = told[-1]
        raise UserError(f"Slack did not take message {len(told)} of {len(kinds)}", failed["why"], failed["fix"])
    if result.returncode:
        why = (result.stderr.strip() or "it said nothing").splitlines()[-1]
        raise UserError("the samples were not sent", why, "./dev conn --test")
    return tuple({name: each[name] for name in ("kind", "title", "channel")} for each in told)

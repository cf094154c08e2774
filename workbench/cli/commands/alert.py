"""Send a sample of each kind of failure alert to Slack."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from workbench.cli.alert_samples import samples
from workbench.cli.backends import choice
from workbench.cli.confirm import confirm
from workbench.errors import UserError

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from workbench.cli.backends.protocol import Backend

GROUP = "set up"
CONNECTION = "slack_api_default"
#: For all messages, and to import Airflow; after a message that Slack refuses, no more are sent.
TIMEOUT_SECONDS = 180


@dataclass(frozen=True)
class Sent:
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
        """Print a line for each, and where to read them."""
        for each in self.messages:
            console.print(f"  {each['kind']:<10} {each['title']}", markup=False)
        channels = ", ".join(sorted({each["channel"] for each in self.messages}))
        console.print(f"{len(self.messages)} sent to {channels}. Read them: {self.inbox or 'in Slack'}", markup=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    choice.add_mode(parser)
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"the samples to send; default: all of {', '.join(samples())}"
    )
    parser.add_argument("--real", action="store_true", help="do not ask before sending to a real Slack")


def run(args: argparse.Namespace) -> Sent:
    """Send them through `SlackAPIPostOperator`, from where tasks run."""
    if unknown := [kind for kind in args.kinds if kind not in samples()]:
        why = f"the samples are {', '.join(samples())}"
        raise UserError(f"the sample {unknown[0]} does not exist", why, "./dev alert", "sample-unknown")
    backend = choice.choose(args)
    settings, kinds = backend.settings, args.kinds or list(samples())
    if next(each for each in settings.connections if each.conn_id == CONNECTION).is_emulator:
        require_emulators(settings.emulators_url)
        return Sent(send(backend, kinds), f"{settings.emulators_url}/slack")
    if not args.real:
        messages = "1 sample message" if len(kinds) == 1 else f"{len(kinds)} sample messages"
        confirm(
            f"{CONNECTION} is a real Slack: its channel would get {messages}",
            refused="nothing was sent",
            fix="./dev alert --real, or ./dev alert exception --real for one message",
        )
    return Sent(send(backend, kinds), None)


def require_emulators(emulators: str) -> None:
    """Check that the emulators answer.

    :raises UserError: where they do not.
    """
    try:
        httpx.get(f"{emulators}/healthz", timeout=5, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        what = "alerts go to the emulators, which are not running"
        raise UserError(what, f"{emulators}: {error}", "./dev up", "emulators-down") from None


def send(backend: Backend, kinds: list[str]) -> tuple[dict[str, Any], ...]:
    """Send them, and return what was sent.

    :raises UserError: where Slack refuses one; no more are sent then.
    """
    try:
        result = subprocess.run(
            [*backend.python(), "-m", "workbench.cli.alert_send", *kinds],
            cwd=backend.settings.root,
            env=backend.settings.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        why = f"it took more than {TIMEOUT_SECONDS} s"
        raise UserError("the samples were not sent", why, "./dev conn --test", "alert-failed") from None
    sent = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    if sent and not sent[-1]["sent"]:
        what = f"Slack did not accept message {len(sent)} of {len(kinds)}"
        raise UserError(what, sent[-1]["why"], sent[-1]["fix"], "alert-refused")
    if result.returncode:
        why = (result.stderr.strip() or f"exit status {result.returncode}, and it printed nothing").splitlines()[-1]
        raise UserError("the samples were not sent", why, "./dev conn --test", "alert-failed")
    return tuple({name: each[name] for name in ("kind", "title", "channel")} for each in sent)

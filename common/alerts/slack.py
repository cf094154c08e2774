"""Send one message with `SlackAPIPostOperator`: bounded in time, and what went wrong in words that help.

Only documented API, and a bot token with the scope `chat:write`. Errors:
https://docs.slack.dev/reference/methods/chat.postMessage#errors
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_sdk import WebClient

    from common.alerts.message import Failure

log = logging.getLogger(__name__)

CONNECTION = "slack_api_default"
#: Seconds for everything, so that no task's state waits longer than 15.
PATIENCE = 13.0
#: Where the settings name no channel.
CHANNEL = "#alerts"

#: Slack's error -> what fixes it. These concern one channel or one message; the others concern all.
OF_A_CHANNEL = {
    "channel_not_found": "Channel {channel} does not exist, or is private and the bot is not in it: create it or set "
    "AIRFLOW_ALERT_CHANNEL, and invite the bot to it (/invite @<bot>)",
    "not_in_channel": "Invite the bot to {channel}: type /invite @<bot> there",
    "is_archived": "Channel {channel} is archived: set AIRFLOW_ALERT_CHANNEL to another one",
    "restricted_action": "The workspace lets only some members post to {channel}",
    "invalid_blocks": "Please report this message, which Slack cannot read",
    "msg_too_long": "Please report this message, which Slack finds too long",
}
OF_ALL = {
    "invalid_auth": "Slack does not know the token: put the bot token (xoxb-...) of your Slack app into "
    "AIRFLOW_CONN_SLACK_API_DEFAULT",
    "not_authed": "No token: put the bot token (xoxb-...) of your Slack app into AIRFLOW_CONN_SLACK_API_DEFAULT",
    "token_revoked": "The token was revoked: install the Slack app again and copy its new bot token",
    "token_expired": "The token has expired: copy the Slack app's new bot token",
    "account_inactive": "The token's user or workspace is gone: make a new bot token",
    "missing_scope": "Add the scope chat:write to the Slack app (OAuth & Permissions), and install it again",
    "ratelimited": "Slack takes no more messages for a while: nothing to fix",
}


class UnsentError(Exception):
    """Slack has not taken a message.

    :param what: what happened.
    :param fix: what to do about it.
    :param doubtful: Slack may have taken it: it did not answer.
    :param one: only this message or its channel is concerned.
    :param wait: seconds that Slack asks to wait.
    """

    def __init__(self, what: str, fix: str, *, doubtful: bool = False, one: bool = False, wait: float = 0) -> None:
        super().__init__(f"{what}. {fix}")
        self.what, self.fix, self.doubtful, self.one, self.wait = what, fix, doubtful, one, wait


def channel_of(failure: Failure) -> str:
    """Return where it is told: its DAG's parameter `alert_channel`, or the settings' channel."""
    return failure.channel or os.environ.get("AIRFLOW_ALERT_CHANNEL") or CHANNEL


def send(failure: Failure, patience: float = PATIENCE) -> None:
    """Post it.

    :param patience: seconds; not exceeded whatever the network does.
    :raises UnsentError: where Slack has not taken it.
    """
    deadline = time.monotonic() + patience
    problems: list[BaseException] = []

    def post() -> None:
        try:
            _post(failure, deadline)
        except BaseException as error:  # noqa: BLE001 a thread's error is raised below
            problems.append(error)

    # A thread, because no timeout of a client covers everything: the look-up of names, an answer that trickles in.
    thread = threading.Thread(target=post, name="slack-alert", daemon=True)
    thread.start()
    thread.join(patience + 0.5)
    if thread.is_alive():
        raise _silent(patience)
    if problems:
        raise _explained(problems[0], channel_of(failure), patience) from problems[0]


def _post(failure: Failure, deadline: float) -> None:
    from airflow.providers.slack.operators.slack import SlackAPIPostOperator

    # What went wrong is said once, in our own words: no warning that no task runner calls it, no error of each try.
    quiet = logging.getLogger(f"airflow.task.operators.{__name__}")
    quiet.setLevel(logging.CRITICAL)
    task_failure_alert = SlackAPIPostOperator(
        task_id="task_failure_alert",
        logger_name=__name__,
        slack_conn_id=CONNECTION,
        channel=channel_of(failure),
        username=os.environ.get("AIRFLOW_ALERT_USERNAME") or "Airflow",
        text=failure.text,
        blocks=failure.blocks,
        retry_handlers=_retries(deadline, lambda: setattr(task_failure_alert.hook.client, "timeout", _left(deadline))),
        timeout=_left(deadline),
    )
    task_failure_alert.hook.extra_client_args["logger"] = quiet
    obey_no_proxy(task_failure_alert.hook.client)
    task_failure_alert.execute({})


def obey_no_proxy(client: WebClient) -> None:
    """Have a client ask a host of NO_PROXY itself: slack_sdk takes HTTPS_PROXY from the environment for all hosts."""
    if proxy_bypass(urlsplit(client.base_url).hostname or ""):
        client.proxy = None


def _left(deadline: float) -> int:
    return max(1, int(deadline - time.monotonic()))


def _retries(deadline: float, shorten: Callable[[], None]) -> list[Any]:
    """Retry where Slack has certainly not taken the message, as long as there is time.

    A request that was sent and not answered is not among them: it may have arrived.

    :param shorten: fits the next request's patience to what is left.
    """
    from slack_sdk.http_retry.builtin_handlers import (
        ConnectionErrorRetryHandler,
        RateLimitErrorRetryHandler,
        ServerErrorRetryHandler,
    )

    class Timely:
        """Retry only if the pause ends a second before the deadline."""

        def _can_retry(self, **seen: Any) -> bool:
            pause = retry_after(seen.get("response")) + 2
            return bool(super()._can_retry(**seen)) and time.monotonic() + pause < deadline  # type: ignore[misc]

        def prepare_for_next_attempt(self, **seen: Any) -> None:
            super().prepare_for_next_attempt(**seen)  # type: ignore[misc]
            shorten()

    class Unreachable(Timely, ConnectionErrorRetryHandler):
        pass

    class Limited(Timely, RateLimitErrorRetryHandler):
        pass

    class Broken(Timely, ServerErrorRetryHandler):
        pass

    # urllib wraps what goes wrong before the request has left into URLError, and nothing else.
    unreachable = Unreachable(max_retry_count=2, error_types=[URLError])
    return [unreachable, Limited(max_retry_count=5), Broken(max_retry_count=2)]


def _explained(error: BaseException, channel: str, patience: float) -> UnsentError:
    from slack_sdk.errors import SlackApiError

    if isinstance(error, SlackApiError):
        return _refused(error, channel)
    if isinstance(error, URLError):
        fix = "Look at this machine's network and proxy, and at base_url of AIRFLOW_CONN_SLACK_API_DEFAULT"
        return UnsentError(f"No connection to Slack ({error.reason})", fix)
    if isinstance(error, OSError) or "IncompleteRead" in type(error).__name__:
        return _silent(patience)
    fix = "Look at AIRFLOW_CONN_SLACK_API_DEFAULT: ./dev conn --test talks to it"
    return UnsentError(f"No message could be made or sent ({type(error).__name__}: {error})", fix)


def _refused(error: Any, channel: str) -> UnsentError:
    data = error.response.data if isinstance(error.response.data, dict) else {}
    status = error.response.status_code
    name = str(data.get("error") or f"HTTP {status}")
    wait = retry_after(error.response)
    if name in OF_A_CHANNEL:
        return UnsentError(f"Slack says {name}", OF_A_CHANNEL[name].format(channel=channel), one=True)
    fix = OF_ALL.get(name, "Nothing to fix here, unless it lasts: https://slack-status.com")
    if name == "missing_scope" and data.get("needed"):
        fix = fix.replace("chat:write", str(data["needed"]))
    return UnsentError(f"Slack says {name}", fix, wait=wait)


def _silent(patience: float) -> UnsentError:
    what = f"Slack did not answer within {patience:.0f} s, or hung up"
    return UnsentError(what, "Look at this machine's network and proxy", doubtful=True)


def retry_after(response: Any) -> float:
    """Return the seconds that Slack asks to wait, 0 where it does not."""
    for name, value in getattr(response, "headers", {}).items():
        if name.lower() == "retry-after":
            return float(value[0] if isinstance(value, list) else value)
    return 0.0

"""Send one message with `SlackAPIPostOperator`, within a time limit; an error says how to fix it.

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
#: For everything, so that a task's state is never delayed by more than 15 seconds.
TIMEOUT_SECONDS = 13.0
#: The channel, if no setting names one.
CHANNEL = "#alerts"

#: Slack's error -> how to fix it. The first concern one channel or one message, the others all messages.
OF_A_CHANNEL = {
    "channel_not_found": "Channel {channel} does not exist, or is private and the bot is not in it: create it or set "
    "AIRFLOW_ALERT_CHANNEL, and invite the bot to it (/invite @<bot>)",
    "not_in_channel": "Invite the bot to {channel}: type /invite @<bot> there",
    "is_archived": "Channel {channel} is archived: set AIRFLOW_ALERT_CHANNEL to another one",
    "restricted_action": "The workspace lets only some members post to {channel}",
    "invalid_blocks": "Slack rejected the format of this message: please report this as a bug",
    "msg_too_long": "This message is too long for Slack: please report this as a bug",
}
OF_ALL = {
    "invalid_auth": "The token is not valid: put the bot token (xoxb-...) of your Slack app into "
    "AIRFLOW_CONN_SLACK_API_DEFAULT",
    "not_authed": "The connection has no token: put the bot token (xoxb-...) of your Slack app into "
    "AIRFLOW_CONN_SLACK_API_DEFAULT",
    "token_revoked": "The token was revoked: install the Slack app again and copy its new bot token",
    "token_expired": "The token has expired: copy the Slack app's new bot token",
    "account_inactive": "The token's user or workspace does not exist any more: create a new bot token",
    "missing_scope": "Add the scope chat:write to the Slack app (OAuth & Permissions), and install it again",
    "ratelimited": "Rate-limited; no action needed",
}


class UnsentError(Exception):
    """Slack did not accept a message.

    :param what: what happened.
    :param fix: what to do about it.
    :param doubtful: Slack did not answer, and may have accepted it.
    :param one: only this message or its channel is concerned.
    :param wait: seconds that Slack asks to wait.
    """

    def __init__(self, what: str, fix: str, *, doubtful: bool = False, one: bool = False, wait: float = 0) -> None:
        super().__init__(f"{what}. {fix}")
        self.what, self.fix, self.doubtful, self.one, self.wait = what, fix, doubtful, one, wait


def channel_of(failure: Failure) -> str:
    """Return the channel of its DAG's parameter `alert_channel`, or else that of the settings."""
    return failure.channel or os.environ.get("AIRFLOW_ALERT_CHANNEL") or CHANNEL


def send(failure: Failure, timeout: float = TIMEOUT_SECONDS) -> None:
    """Post the message of a failure.

    :param timeout: seconds, whatever the network does.
    :raises UnsentError: where Slack did not accept it.
    """
    deadline = time.monotonic() + timeout
    problems: list[BaseException] = []

    def post() -> None:
        try:
            _post(failure, deadline)
        except BaseException as error:  # noqa: BLE001 a thread's error is raised below
            problems.append(error)

    # A thread, because no timeout of a client covers everything: resolving names, an answer that arrives byte by byte.
    thread = threading.Thread(target=post, name="slack-alert", daemon=True)
    thread.start()
    thread.join(timeout + 0.5)
    if thread.is_alive():
        raise _unanswered(timeout)
    if problems:
        raise _explained(problems[0], channel_of(failure), timeout) from problems[0]


def _post(failure: Failure, deadline: float) -> None:
    from airflow.providers.slack.operators.slack import SlackAPIPostOperator

    # An error is logged once, by the caller: no warning that no task runner calls this, no error of each try.
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
    """Let a client reach a host of NO_PROXY directly: slack_sdk uses HTTPS_PROXY for all hosts."""
    if proxy_bypass(urlsplit(client.base_url).hostname or ""):
        client.proxy = None


def _left(deadline: float) -> int:
    return max(1, int(deadline - time.monotonic()))


def _retries(deadline: float, shorten: Callable[[], None]) -> list[Any]:
    """Return handlers that retry where Slack certainly did not accept the message, as long as there is time.

    A request that was sent and not answered is not retried: it may have arrived.

    :param shorten: sets the next request's timeout to what is left.
    """
    from slack_sdk.http_retry.builtin_handlers import (
        ConnectionErrorRetryHandler,
        RateLimitErrorRetryHandler,
        ServerErrorRetryHandler,
    )

    class Timely:
        """Retry only if the pause ends before the deadline, with a second to spare."""

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


def _explained(error: BaseException, channel: str, timeout: float) -> UnsentError:
    from slack_sdk.errors import SlackApiError

    if isinstance(error, SlackApiError):
        return _refused(error, channel)
    if isinstance(error, URLError):
        fix = "Check the network, the proxy, and base_url of AIRFLOW_CONN_SLACK_API_DEFAULT"
        return UnsentError(f"No connection to Slack ({error.reason})", fix)
    if isinstance(error, OSError) or "IncompleteRead" in type(error).__name__:
        return _unanswered(timeout)
    fix = "Check AIRFLOW_CONN_SLACK_API_DEFAULT: ./dev conn --test tries it"
    return UnsentError(f"The message could not be created or sent ({type(error).__name__}: {error})", fix)


def _refused(error: Any, channel: str) -> UnsentError:
    data = error.response.data if isinstance(error.response.data, dict) else {}
    status = error.response.status_code
    name = str(data.get("error") or f"HTTP {status}")
    wait = retry_after(error.response)
    if name in OF_A_CHANNEL:
        return UnsentError(f"Slack says {name}", OF_A_CHANNEL[name].format(channel=channel), one=True)
    fix = OF_ALL.get(name, "No action needed; if it lasts, see https://slack-status.com")
    if name == "missing_scope" and data.get("needed"):
        fix = fix.replace("chat:write", str(data["needed"]))
    return UnsentError(f"Slack says {name}", fix, wait=wait)


def _unanswered(timeout: float) -> UnsentError:
    what = f"Slack did not answer within {timeout:.0f} s, or closed the connection"
    return UnsentError(what, "Check the network and the proxy", doubtful=True)


def retry_after(response: Any) -> float:
    """Return the seconds that Slack asks to wait, or 0."""
    for name, value in getattr(response, "headers", {}).items():
        if name.lower() == "retry-after":
            return float(value[0] if isinstance(value, list) else value)
    return 0.0

"""Report a failure now, and later what could not be sent: each failure once, too many of one run in one message."""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import TYPE_CHECKING

from common.alerts import slack
from common.alerts.ledger import INDIVIDUAL, Ledger, key_of
from common.alerts.message import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.alerts.ledger import QueuedMessage

log = logging.getLogger(__name__)

#: A burst is over after so long without a further failure: of a run that has ended, and of one that goes on. ...
ENDED_SECONDS, QUIET_SECONDS = 3, 30
#: ... It is reported after so long at the latest.
LONGEST_SECONDS = 300
#: For one message that no task waits for.
TIMEOUT_SECONDS = 25.0


def report(failure: Failure) -> None:
    """Report a failure now, unless another process does; one of too many of its run is queued for one message."""
    try:
        ledger = Ledger.shared()
        if not ledger.add(failure, send=True):
            return
    except (OSError, sqlite3.Error) as error:
        log.warning("The record of sent alerts cannot be written, so this one may be sent twice: %s", error)
        ledger = None
    try:
        slack.send(failure)
    except slack.UnsentError as unsent:
        queued = "Queued; retried for 24 h." if ledger else "It will not be sent again."
        log.warning("Slack did not accept this message. %s. %s\n%s\n%s", unsent, queued, failure.text, failure.url)
        if ledger:
            ledger.release([key_of(failure)], doubtful=unsent.doubtful)
    else:
        if ledger:
            ledger.sent([key_of(failure)])


def goes_on(_one: Failure) -> bool:
    """Return of every run that it has not ended: more of its tasks may fail."""
    return False


def deliver(ledger: Ledger, ended: Callable[[Failure], bool] = goes_on) -> float | None:
    """Send what is queued.

    :param ended: returns whether a failed task's run has ended.
    :return: seconds until there is something to do, None where nothing is queued.
    """
    pause = ledger.moment("try_again") - time.time()
    if pause > 0:
        return None if ledger.next_due() is None else pause
    soonest: list[float] = []
    for messages in _by_run(ledger.queued()):
        wait = _deliver_run(ledger, messages, ended)
        if wait is not None:
            soonest.append(wait)
        if ledger.moment("try_again") > time.time():
            break
    if soonest:
        return min(soonest)
    return ledger.next_due()


def _by_run(queued: list[QueuedMessage]) -> list[list[QueuedMessage]]:
    """Return the failed tasks of each run together, and any other message alone; the oldest come first."""
    found: dict[object, list[QueuedMessage]] = {}
    for one in queued:
        own = (one.failure.dag, one.failure.run) if one.failure.kind == "task" else one.key
        found.setdefault(own, []).append(one)
    return list(found.values())


def _deliver_run(ledger: Ledger, messages: list[QueuedMessage], ended: Callable[[Failure], bool]) -> float | None:
    """Send the messages of one run, individually or as one; return the seconds until the next try."""
    first = messages[0].failure
    total = ledger.count_of_run(messages[0]) if first.kind == "task" else 1
    if total <= INDIVIDUAL:
        for one in messages:
            if (wait := _send(ledger, [one.key], one.failure)) is not None:
                return wait
        return None
    quiet = (ENDED_SECONDS if ended(first) else QUIET_SECONDS) - (time.time() - messages[-1].added)
    if quiet > 0 and time.time() - messages[0].added < LONGEST_SECONDS:
        return quiet
    if len(messages) == 1:  # a message of its own says more, and is as short
        last = Failure.from_record(first.record | {"count": total})
        return _send(ledger, [messages[0].key], last)
    ordered = sorted((one.failure for one in messages), key=lambda failure: (failure.task, failure.map_index))
    names = tuple(failure.label for failure in ordered)
    fields = {"kind": "burst", "count": max(total, len(names)), "names": names, "error": "", "reason": ""}
    doubtful = any(one.failure.repeat for one in messages)
    burst = Failure.from_record(first.record | fields | {"seconds": None, "host": "", "repeat": doubtful})
    return _send(ledger, [one.key for one in messages], burst)


def _send(ledger: Ledger, keys: list[str], failure: Failure) -> float | None:
    """Send one message; where Slack does not accept it, return the seconds until the next try."""
    claimed = ledger.claim(keys)
    if claimed != keys:  # another process sends some of them: what is left is grouped anew
        ledger.release(claimed, tried=False)
        return 1.0
    try:
        slack.send(failure, TIMEOUT_SECONDS)
    except slack.UnsentError as unsent:
        pause = max(unsent.wait, ledger.release(keys, doubtful=unsent.doubtful))
        log.warning("Slack did not accept a message. %s. Next try in %.0f s.\n%s", unsent, pause, failure.text)
        if not unsent.one:
            ledger.keep_moment("try_again", time.time() + pause)
        return pause
    ledger.sent(keys)
    return None

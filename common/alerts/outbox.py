"""Tell of a failure now, and later what could not be told: each message once, too many of one run as one."""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import TYPE_CHECKING

from common.alerts import slack
from common.alerts.ledger import ONE_BY_ONE, Ledger, key_of
from common.alerts.message import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.alerts.ledger import Waiting

log = logging.getLogger(__name__)

#: Seconds without a further failure after which a burst is over: of a run that has ended, and of one that goes on. And
#: seconds after which it is told at the latest.
ENDED, QUIET, LONGEST = 3, 30, 300
#: Seconds for one message where no task waits for it.
PATIENCE = 25.0


def tell(failure: Failure) -> None:
    """Tell of a failure now, unless somebody has; one of too many of its run waits for the others."""
    try:
        ledger = Ledger.shared()
        if not ledger.add(failure, send=True):
            return
    except (OSError, sqlite3.Error) as error:
        log.warning("Told failures cannot be remembered, so this one may be told twice: %s", error)
        ledger = None
    try:
        slack.send(failure)
    except slack.UnsentError as unsent:
        kept = "It is kept, and sent once Slack takes it, for a day." if ledger else "It is lost."
        log.warning("Slack has not taken this message. %s. %s\n%s\n%s", unsent, kept, failure.text, failure.url)
        if ledger:
            ledger.release([key_of(failure)], doubtful=unsent.doubtful)
    else:
        if ledger:
            ledger.sent([key_of(failure)])


def goes_on(_one: Failure) -> bool:
    """Say of every run that more of its tasks may fail."""
    return False


def deliver(ledger: Ledger, ended: Callable[[Failure], bool] = goes_on) -> float | None:
    """Send what waits.

    :param ended: whether a failed task's run has ended.
    :return: seconds until there is something to do, None where nothing waits.
    """
    pause = ledger.moment("try_again") - time.time()
    if pause > 0:
        return None if ledger.next_due() is None else pause
    soonest: list[float] = []
    for batch in _batches(ledger.waiting()):
        wait = _settle(ledger, batch, ended)
        if wait is not None:
            soonest.append(wait)
        if ledger.moment("try_again") > time.time():
            break
    if soonest:
        return min(soonest)
    return ledger.next_due()


def _batches(waiting: list[Waiting]) -> list[list[Waiting]]:
    """Put failed tasks of one run together, the longest waiting first."""
    found: dict[object, list[Waiting]] = {}
    for one in waiting:
        own = (one.failure.dag, one.failure.run) if one.failure.kind == "task" else one.key
        found.setdefault(own, []).append(one)
    return list(found.values())


def _settle(ledger: Ledger, batch: list[Waiting], ended: Callable[[Failure], bool]) -> float | None:
    """Send messages of one run, one by one or as one; give the seconds until it is to be tried again."""
    first = batch[0].failure
    total = ledger.of_run(batch[0]) if first.kind == "task" else 1
    if total <= ONE_BY_ONE:
        for one in batch:
            if (wait := _send(ledger, [one.key], one.failure)) is not None:
                return wait
        return None
    quiet = (ENDED if ended(first) else QUIET) - (time.time() - batch[-1].noticed)
    if quiet > 0 and time.time() - batch[0].noticed < LONGEST:
        return quiet
    if len(batch) == 1:  # a message of its own says more, and is as short
        last = Failure.from_record(first.record | {"count": total})
        return _send(ledger, [batch[0].key], last)
    ordered = sorted((one.failure for one in batch), key=lambda failure: (failure.task, failure.map_index))
    names = tuple(failure.label for failure in ordered)
    fields = {"kind": "burst", "count": max(total, len(names)), "names": names, "error": "", "reason": ""}
    doubtful = any(one.failure.repeat for one in batch)
    burst = Failure.from_record(first.record | fields | {"seconds": None, "host": "", "repeat": doubtful})
    return _send(ledger, [one.key for one in batch], burst)


def _send(ledger: Ledger, keys: list[str], failure: Failure) -> float | None:
    """Send one message; where Slack does not take it, give the seconds until it is asked again."""
    held = ledger.hold(keys)
    if held != keys:  # somebody else sends some of them: what is left is looked at anew
        ledger.release(held, tried=False)
        return 1.0
    try:
        slack.send(failure, PATIENCE)
    except slack.UnsentError as unsent:
        pause = max(unsent.wait, ledger.release(keys, doubtful=unsent.doubtful))
        log.warning("Slack has not taken a message. %s. Next try in %.0f s.\n%s", unsent, pause, failure.text)
        if not unsent.one:
            ledger.keep_moment("try_again", time.time() + pause)
        return pause
    ledger.sent(keys)
    return None

"""Rounds: short-lived children of the scheduler that tell what failed and nobody told, and send what waits.

A round is forked when the database says that something failed (see `executor.Bell`), at the scheduler's start, and now
and then. It costs nothing while all is well, loads the code that is there now, and the scheduler outlives whatever
happens to it: a round that crashes is followed by another one.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from workbench.airflow import compat

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

log = logging.getLogger(__name__)

#: Seconds after which a round is made though nothing rang, and before which none is though much rings.
SELDOM, OFTEN = 120.0, 1.0
#: Seconds that a round waits itself for what is to be done soon, and in all, before the next one is forked.
SOON, LONGEST = 3.0, 120.0
#: Seconds after which a round is taken for stuck.
STUCK = 300.0
#: A round's exit status: nothing is left to do, or this and the seconds until there is.
NOTHING, LATER = 0, 10


class Rounds:
    """The rounds of one scheduler, of which one is under way at a time."""

    def __init__(self) -> None:
        self._due = time.monotonic()
        self._began = self._ended = 0.0
        self._rang = False
        self._child: ForkProcess | None = None

    def ring(self) -> None:
        """Something failed."""
        self._rang = True

    def step(self) -> None:
        """Look after the round under way, or begin one; never raises."""
        try:
            if self._child is not None:
                self._look_after(self._child)
            if self._rang:
                self._due = min(self._due, max(time.monotonic(), self._ended + OFTEN))
            if self._child is None and time.monotonic() >= self._due:
                self._begin()
        except Exception:
            log.exception("No round of the alerts; the next try is in %d s", SELDOM)
            self._child, self._rang, self._due = None, False, time.monotonic() + SELDOM

    def sentinels(self) -> list[int]:
        """Return what gets ready when the round under way ends."""
        return [] if self._child is None else [self._child.sentinel]

    def end(self) -> None:
        """End the round under way: what it has not sent is sent by the next scheduler."""
        if self._child is not None and self._child.is_alive():
            self._child.terminate()
            self._child.join(1)
            self._child.kill()

    def _begin(self) -> None:
        self._rang = False
        self._began = time.monotonic()
        child = multiprocessing.get_context("fork").Process(target=_round, name="alerts")
        child.start()
        self._child = child

    def _look_after(self, child: ForkProcess) -> None:
        if child.is_alive():
            if time.monotonic() - self._began > STUCK:
                child.kill()
            return
        status = child.exitcode or 0
        child.close()
        self._child = None
        self._ended = time.monotonic()
        pause = SELDOM if status == NOTHING else max(1.0, status - LATER)
        if status != NOTHING and status < LATER:
            log.warning("A round of the alerts ended with %s; see above", status)
            pause = SELDOM
        self._due = time.monotonic() + pause


def _round() -> None:
    """Be one round; the exit status says when the next one is due."""
    from setproctitle import setproctitle

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    setproctitle("airflow scheduler -- alerts")
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123 Linux only, nothing to look up
        score.write("500")  # where memory runs out, the kernel ends this and never the scheduler
    _own_connections()
    seconds = look()
    sys.exit(NOTHING if seconds is None else LATER + min(200, round(seconds)))


def look() -> float | None:
    """Write down what failed, send what waits, as long as more is to be done soon.

    :return: seconds until there is something to do, None where nothing is left.
    """
    # Loaded here, so that an edit of them counts from the next round on.
    from common.alerts.ledger import Ledger
    from common.alerts.outbox import deliver

    if os.environ.get("AIRFLOW_ALERT_TO", "slack") != "slack" or not compat.supported("failures"):
        return None
    from workbench.airflow import failures

    ledger = Ledger.shared()
    ledger.forget()
    end = time.monotonic() + LONGEST
    while True:
        waits = [wait for wait in (failures.write_down(ledger), deliver(ledger, failures.ended)) if wait is not None]
        if not waits:
            return None
        if min(waits) > SOON or time.monotonic() > end:
            return min(waits)
        time.sleep(min(1.0, max(0.2, min(waits))))


_parents: list[Any] = []


def _own_connections() -> None:
    """Open connections of this process's own; the scheduler's stay referred to, so that nothing here closes them."""
    from airflow import settings
    from sqlalchemy.pool import NullPool

    _parents.extend((settings.engine, settings.Session, settings.async_engine))
    settings.configure_orm(pool_class=NullPool)

"""Rounds: short-lived children of the scheduler that report failures which nobody reported, and send what waits.

A round is forked when the database says that something failed (see `executor.ChangeListener`), at the scheduler's
start, and every two minutes. It costs nothing while all is well, loads the code as it is now, and the scheduler
outlives whatever happens to it: a round that crashes is followed by another one.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from workbench.airflow import compat, memory

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

log = logging.getLogger(__name__)

#: Between two rounds: without a request, and at least.
PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS = 120.0, 1.0
#: A round itself waits so long for what is due next, and so long in all, before another one is forked.
WAIT_SECONDS, ROUND_SECONDS = 3.0, 120.0
#: A round that takes longer is killed.
TIMEOUT_SECONDS = 300.0
#: A round's exit status: nothing is left to do, or this plus the seconds until something is due.
DONE, DUE_IN = 0, 10


class Rounds:
    """The rounds of one scheduler, of which one is under way at a time."""

    def __init__(self) -> None:
        self._due = time.monotonic()
        self._began = self._ended = 0.0
        self._requested = False
        self._child: ForkProcess | None = None

    def request(self) -> None:
        """Ask for a round: something failed."""
        self._requested = True

    def step(self) -> None:
        """Watch the round under way, or begin one; never raises."""
        try:
            if self._child is not None:
                self._watch(self._child)
            if self._requested:
                self._due = min(self._due, max(time.monotonic(), self._ended + SHORTEST_PAUSE_SECONDS))
            if self._child is None and time.monotonic() >= self._due:
                self._begin()
        except Exception:
            log.exception("The check for unsent alerts failed; next try in %d s", PAUSE_SECONDS)
            self._child, self._requested, self._due = None, False, time.monotonic() + PAUSE_SECONDS

    def sentinels(self) -> list[int]:
        """Return what gets ready when the round under way ends."""
        return [] if self._child is None else [self._child.sentinel]

    def end(self) -> None:
        """End the round under way: what it has not sent is sent by the next scheduler."""
        if self._child is not None and self._child.is_alive():
            self._child.terminate()
            self._child.join(1)
            self._child.kill()
            self._child.join()

    def _begin(self) -> None:
        self._requested = False
        self._began = time.monotonic()
        child = multiprocessing.get_context("fork").Process(target=_round, name="alerts")
        child.start()
        self._child = child

    def _watch(self, child: ForkProcess) -> None:
        if child.is_alive():
            if time.monotonic() - self._began > TIMEOUT_SECONDS:
                child.kill()
            return
        status = child.exitcode or 0
        child.close()
        self._child = None
        self._ended = time.monotonic()
        pause = PAUSE_SECONDS if status == DONE else max(1.0, status - DUE_IN)
        if status != DONE and status < DUE_IN:
            log.warning("The check for unsent alerts exited with status %s; see above", status)
            pause = PAUSE_SECONDS
        self._due = time.monotonic() + pause


def _round() -> None:
    """Run one round; the exit status says when the next one is due."""
    from setproctitle import setproctitle

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    setproctitle("airflow scheduler -- alerts")
    memory.die_first()
    _own_connections()
    seconds = report_failures()
    sys.exit(DONE if seconds is None else DUE_IN + min(200, round(seconds)))


def report_failures() -> float | None:
    """Add what failed to the ledger and send what waits, as long as more is due soon.

    :return: seconds until something is due, None where nothing is left.
    """
    # Loaded here, so that an edit of them takes effect with the next round.
    from common.alerts.ledger import Ledger
    from common.alerts.outbox import deliver

    if os.environ.get("AIRFLOW_ALERT_TO", "slack") != "slack" or not compat.supported("failures"):
        return None
    from workbench.airflow import failures

    ledger = Ledger.shared()
    ledger.forget()
    end = time.monotonic() + ROUND_SECONDS
    while True:
        waits = [wait for wait in (failures.write_down(ledger), deliver(ledger, failures.ended)) if wait is not None]
        if not waits:
            return None
        if min(waits) > WAIT_SECONDS or time.monotonic() > end:
            return min(waits)
        time.sleep(min(1.0, max(0.2, min(waits))))


_parents: list[Any] = []


def _own_connections() -> None:
    """Open connections of this process's own; the scheduler's stay referenced, so that nothing here closes them."""
    from airflow import settings
    from sqlalchemy.pool import NullPool

    _parents.extend((settings.engine, settings.Session, settings.async_engine))
    settings.configure_orm(pool_class=NullPool)

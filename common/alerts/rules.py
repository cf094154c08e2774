"""Alert rules of your own: what else is reported, beside failed tasks, failed runs and broken DAG files.

A rule reads Airflow's database and yields a `Failure` of the kind "rule" for each case. The scheduler applies all rules
when something fails, and at least every two minutes. It may find the same case again: each one is reported once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

    from common.alerts.message import Failure

log = logging.getLogger(__name__)

#: Each takes a session of Airflow's database and a time, within the last day, before which no case is reported.
RULES: list[Callable[[Session, datetime], Iterable[Failure]]] = []


def cases(session: Session, since: datetime) -> Iterator[Failure]:
    """Yield the cases of all rules; a rule that fails is logged and hinders no other."""
    for rule in RULES:
        try:
            with session.begin_nested():  # a statement that fails ends no other rule's transaction
                found = list(rule(session, since))
        except Exception:
            log.exception("The alert rule %s failed", rule.__name__)
        else:
            yield from found

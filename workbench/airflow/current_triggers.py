"""A trigger that begins is the one that was saved last.

Replaces `airflow.jobs.triggerer_job_runner.TriggerRunner.get_trigger_by_classpath` of Airflow 3.0.6. Stock's triggerer
keeps each class that it has imported until it is started again. Triggers that wait already go on as they are.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from workbench.airflow.reads import COMMON, forget_own_modules
from workbench.airflow.watcher import look

if TYPE_CHECKING:
    from workbench.airflow.watcher import Signature


def install() -> None:
    """Import the project's own modules anew after one of them was saved."""
    from airflow.jobs.triggerer_job_runner import TriggerRunner

    stock = TriggerRunner.get_trigger_by_classpath
    imported: dict[str, Signature] = {}

    def get_trigger_by_classpath(self: Any, classpath: str) -> Any:
        if look((), imported) != imported:
            forget_own_modules()
            self.trigger_cache.clear()
            imported.clear()
        try:
            return stock(self, classpath)
        finally:
            imported.update(look((), own_files() - imported.keys()))

    TriggerRunner.get_trigger_by_classpath = get_trigger_by_classpath


def own_files() -> set[str]:
    """Return the files of the project's modules that are loaded."""
    files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    return {file for file in files if file.startswith(COMMON + os.sep)}

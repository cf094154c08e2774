"""A trigger that begins is the one that was saved last.

Replaces `airflow.jobs.triggerer_job_runner.TriggerRunner.get_trigger_by_classpath` of Airflow 3.0.6. Stock's triggerer
keeps each class that it has imported until it is started again. Triggers that wait already go on as they are.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from workbench.airflow.reads import COMMON, forget_own_modules

#: A file when it was imported: age in nanoseconds, size, inode.
Signature = tuple[int, int, int] | None


def install() -> None:
    """Import the project's own modules anew after one of them was saved."""
    from airflow.jobs.triggerer_job_runner import TriggerRunner

    stock = TriggerRunner.get_trigger_by_classpath
    imported: dict[str, Signature] = {}

    def get_trigger_by_classpath(self: Any, classpath: str) -> Any:
        if any(signature(file) != then for file, then in imported.items()):
            forget_own_modules()
            self.trigger_cache.clear()
            imported.clear()
        try:
            return stock(self, classpath)
        finally:
            for file in own_files():
                imported.setdefault(file, signature(file))

    TriggerRunner.get_trigger_by_classpath = get_trigger_by_classpath


def own_files() -> list[str]:
    """Return the files of the project's modules that are loaded."""
    files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    return [file for file in files if file.startswith(COMMON + os.sep)]


def signature(file: str) -> Signature:
    """Return what tells a file from its next edition; None where it is gone."""
    try:
        found = os.stat(file)  # noqa: PTH116 as it stands in a module
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

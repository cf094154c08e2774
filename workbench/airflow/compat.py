"""The version of Airflow that runs here, and the modules of this package that know it: nothing else compares versions.

A module that changes Airflow, or that reads what Airflow does not document, asks `supported` first; where it does not
know the version, it stays off and Airflow does what it does by itself. `WORKBENCH_STOCK=1` switches all of them off.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from importlib import metadata

#: Set to 1 for Airflow as it is published.
STOCK = "WORKBENCH_STOCK"
#: Module of this package -> the versions of Airflow that it knows. Add a version when the tests pass with it.
KNOWN: dict[str, tuple[str, ...]] = {
    "bounded_events": ("3.0.6",),
    "current_dags": ("3.0.6",),
    "current_triggers": ("3.0.6",),
    "debug_database": ("3.0.6",),
    "debug_logs": ("3.0.6",),
    "debug_run": ("3.0.6",),
    "debug_worker": ("3.0.6",),
    "executor": ("3.0.6",),
    "failures": ("3.0.6",),
    "launcher": ("3.0.6",),
    "reload": ("3.0.6",),
    "task_api": ("3.0.6",),
}

log = logging.getLogger(__name__)


def stock() -> bool:
    """Return whether the user wants Airflow as it is published."""
    return os.environ.get(STOCK, "").strip().lower() not in {"", "0", "false", "no"}


@functools.cache
def version() -> str:
    """Return the version of Airflow, without importing it."""
    return metadata.version("apache-airflow-core")


def supported(module: str) -> bool:
    """Return whether a module of this package may change Airflow; the first time, log why not."""
    return not stock() and known(module)


@functools.cache
def known(module: str) -> bool:
    """Return whether a module knows the version that runs; if not, log it once."""
    if version() in KNOWN[module]:
        return True
    log.warning("workbench.airflow.%s is off: %s", module, why_not(module))
    return False


def why_not(module: str) -> str:
    """Return why a module is off, as the end of a sentence."""
    if stock():
        return f"{STOCK} is set"
    return f"it supports Airflow {', '.join(KNOWN[module])}, and this is {version()}"


def install(module: str) -> None:
    """Import a module and let it change Airflow, where it knows the version: elsewhere it may not even import."""
    if supported(module):
        importlib.import_module(f"workbench.airflow.{module}").install()

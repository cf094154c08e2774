"""Natively each failure reaches Slack once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cases import alerts as cases

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.native.conftest import Stack

pytestmark = [pytest.mark.native, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def alerts(make_stack: Callable[..., Stack]) -> cases.Alerts:
    """An environment with DAGs that fail."""
    stack = make_stack("alerts")
    shutil.rmtree(stack.root / "dags/telecoms")
    with (stack.root / ".env").open("a") as settings:
        settings.write(cases.SETTINGS)
    stack.up()

    def in_scheduler(program: str) -> str:
        head = f"import psutil; scheduler = psutil.Process({stack.pid('scheduler')})\n"
        return subprocess.check_output([sys.executable, "-c", head + program], text=True)

    settings = stack.settings
    password = settings.password_file.read_text(encoding="utf-8")
    # As many as show the rule; in containers there are two hundred of each.
    few = {"burst": 40, "runs": 4}
    found = cases.Alerts(stack, stack.root, settings.ui_url, settings.emulators_url, password, in_scheduler, **few)
    cases.bring_dags(found)
    return found


class TestAlerts(cases.AlertCases):
    """Every case there is."""

"""In containers each failure reaches Slack once.

Here limits are the kernel's, folders and files are mounted, addresses are others, and the ledger lies in a volume that
several containers share.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.cases import alerts as cases
from tests.containers.conftest import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.containers.stack import Stack


@pytest.fixture(scope="module")
def alerts(checkout: Stack, request: pytest.FixtureRequest) -> Iterator[cases.Alerts]:
    """The environment with DAGs that fail."""
    (checkout.checkout / ".env").write_text(cases.SETTINGS)
    stack: Stack = request.getfixturevalue("front")

    def in_scheduler(program: str) -> str:
        head = "import psutil; (scheduler,) = psutil.Process(1).children()\n"
        return stack.compose("exec", "-T", "scheduler", "python", "-c", head + program)

    address = stack.ui_url.replace("127.0.0.1", "localhost")
    found = cases.Alerts(stack, stack.checkout, address, stack.emulators_url, stack.key("admin_password"), in_scheduler)
    cases.bring_dags(found)
    yield replace(found, before=len(found.messages()))
    (stack.checkout / "dags" / cases.FILE.name).unlink()


class TestAlerts(cases.AlertCases):
    """Every case there is, and what only containers have."""

    def test_a_task_that_takes_all_memory_is_told_with_the_containers_limit(
        self, alerts: cases.Alerts, stack: Stack
    ) -> None:
        shutil.copy(HERE / "dags/hog.py", stack.checkout / "dags")
        stack.finish("hog", stack.trigger("hog"))
        cases.only(1, lambda: alerts.texts("hog"), "it is told")
        limit = stack.container("scheduler")["HostConfig"]["Memory"] >> 20
        assert f"killed: out of memory, limit {limit} MiB" in alerts.texts("hog.takes")[0]
        (stack.checkout / "dags/hog.py").unlink()

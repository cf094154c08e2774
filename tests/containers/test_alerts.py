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
    with (checkout.checkout / ".env").open("a") as settings:
        settings.write(cases.SETTINGS)
    stack: Stack = request.getfixturevalue("front")

    def in_scheduler(program: str) -> str:
        head = "import psutil; scheduler = min(psutil.Process(1).children(), key=lambda child: child.create_time())\n"
        return stack.compose("exec", "-T", "scheduler", "python", "-c", head + program)

    address = stack.ui_url.replace("127.0.0.1", "localhost")
    found = cases.Alerts(stack, stack.checkout, address, stack.emulators_url, stack.key("admin_password"), in_scheduler)
    cases.bring_dags(found)
    yield replace(found, before=len(found.messages()))
    (stack.checkout / "dags" / cases.FILE.name).unlink()


class TestAlerts(cases.AlertCases):
    """Every case there is, and what only containers have."""

    def test_memory(self, alerts: cases.Alerts, stack: Stack) -> None:
        """A task that takes all memory is reported with its container's limit."""
        shutil.copy(HERE / "dags/hog.py", stack.checkout / "dags")
        stack.finish("hog", stack.trigger("hog"))
        cases.only(alerts, 1, lambda: alerts.texts("hog"), "it is reported")
        limit = stack.container("scheduler")["HostConfig"]["Memory"] >> 20
        assert f"killed: out of memory, limit {limit} MiB" in alerts.texts("hog.takes")[0]
        (stack.checkout / "dags/hog.py").unlink()

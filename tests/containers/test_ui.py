"""The UI in a headless Chromium, as a person sees it who has just started the environment in Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ui import Ui

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.containers.stack import Stack

STEPS = "probe_steps"
PIPELINE = {"ingest_agents", "ingest_customers", "ingest_call_logs", "ingest_social_media"}
STAGES = {"load_warehouse", "transform_marts"}
RAW = {"raw_agents", "raw_customers", "raw_call_logs", "raw_social_media"}


@pytest.fixture
def fresh(browser: Browser, stack: Stack) -> Iterator[Ui]:
    """A browser that has never seen this UI."""
    with browser.new_context() as context:
        yield Ui(context.new_page(), stack.ui_url.replace("127.0.0.1", "localhost"))


@pytest.fixture(scope="module")
def ui(browser: Browser, stack: Stack) -> Iterator[Ui]:
    """One that has logged in."""
    with browser.new_context() as context:
        found = Ui(context.new_page(), stack.ui_url.replace("127.0.0.1", "localhost"))
        found.log_in("admin", stack.key("admin_password"))
        yield found


def test_wrong_password(fresh: Ui) -> None:
    """A wrong password is refused in words."""
    fresh.try_to_log_in("admin", "wrong")
    fresh.page.get_by_text("Invalid credentials").wait_for()
    assert "/auth/login" in fresh.page.url


def test_list(ui: Ui) -> None:
    """The list shows the project's DAGs."""
    assert ui.dags() >= PIPELINE | STAGES


def test_asset_graph(ui: Ui) -> None:
    """The graph of an asset shows the whole chain."""
    assert ui.asset_graph("raw_call_logs") == PIPELINE | STAGES | RAW | {"warehouse", "marts"}


def test_task_log(ui: Ui, stack: Stack) -> None:
    """A task's log opens from its address, the one that an alert's button has."""
    run = stack.trigger(STEPS)
    stack.wait_for(lambda: states(stack, run).get("step") == "success", "the end of the first step", 240)
    assert "step 1 runs as 50000:0" in ui.task_log(STEPS, run, "step", until="step 1 runs as")


def states(stack: Stack, run: str) -> dict[str, str]:
    """Return the state of each task of a run."""
    return {task["task_id"]: task["state"] for task in stack.tasks(STEPS, run)}

"""`./dev alert` sends from the scheduler's container, and the inbox on the published port shows it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.containers.stack import Stack


def test_sample(stack: Stack, browser: Browser) -> None:
    """A sample goes from where tasks run to the inbox."""
    result = stack.dev("alert", "memory", "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    told = json.loads(result.stdout)
    assert told["inbox"] == f"{stack.emulators_url}/slack"
    page = browser.new_page()
    page.goto(told["inbox"])
    page.wait_for_selector("#state[data-state=live]")
    assert page.locator("article h3").first.inner_text() == told["messages"][0]["title"]
    page.close()

"""Airflow's UI in a browser, as a person uses it: for the tests and for the README's pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

#: A page of the UI loads 3 MB of JavaScript, on a busy machine for a while.
PATIENCE_SECONDS = 60
SIZE = (1400, 820)


@dataclass(frozen=True)
class Ui:
    """A page of a browser, and where the UI is."""

    page: Page
    url: str

    def __post_init__(self) -> None:
        """Give the page room and time."""
        self.page.set_default_timeout(PATIENCE_SECONDS * 1000)
        self.page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})

    def log_in(self, user: str, password: str) -> None:
        """Open the UI, which asks who it is, tell it, and wait until it lets one in."""
        self.try_to_log_in(user, password)
        self.page.wait_for_url(lambda url: not urlsplit(url).path.startswith("/auth/login"))

    def try_to_log_in(self, user: str, password: str) -> None:
        """Open the UI, which asks who it is, and tell it."""
        self.page.goto(self.url)
        self.page.wait_for_url("**/auth/login**")
        self.page.locator("input[name=username]").fill(user)
        self.page.locator("input[name=password]").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def open(self, path: str) -> None:
        """Open a page by its path."""
        self.page.goto(f"{self.url}{path}")

    def dags(self) -> set[str]:
        """Open the list of DAGs; give their names once there are any."""
        self.open("/dags")
        links = self.page.locator("a[href^='/dags/']")
        links.first.wait_for()
        return {urlsplit(link.get_attribute("href") or "").path.split("/")[2] for link in links.all()}

    def asset_graph(self, asset: str) -> set[str]:
        """Go to an asset by way of the list; give what its graph shows."""
        self.open("/assets")
        self.page.get_by_role("link", name=asset, exact=True).click()
        nodes = self.page.locator(".react-flow__node")
        nodes.first.wait_for()
        return set(nodes.all_inner_texts())

    def task_log(self, dag_id: str, run_id: str, task_id: str, until: str) -> str:
        """Open a task's log; give its text once it has these words."""
        self.open(f"/dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/{task_id}")
        log = self.page.get_by_test_id("virtualized-list")
        log.get_by_text(until).first.wait_for()
        return log.inner_text()

    def save(self, file: Path) -> None:
        """Save a picture of what is seen, once it is all there."""
        self.page.wait_for_function("!document.querySelector('[class*=skeleton]')")
        before = b""
        while (now := self.page.screenshot(animations="disabled")) != before:
            before = now
            self.page.wait_for_timeout(1000)
        file.write_bytes(now)

"""`.venv/bin/python -m tests.workbench.emulators.screenshots`: take the picture of the Slack inbox, with Chromium.

It starts emulators of its own and posts samples of the alerts to them.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright
from slack_sdk import WebClient

from workbench.cli.alert_samples import samples
from workbench.emulators import serve

IMAGES = Path(__file__).resolve().parents[3] / "docs/images"
#: The kinds of alert in the picture, the newest last.
SHOWN = ("burst", "events", "memory")
SIZE = (960, 600)


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.workbench.emulators.screenshots", description=__doc__)
    parser.add_argument("--into", type=Path, default=IMAGES, help="folder (docs/images)")
    parser.add_argument("--width", type=int, default=SIZE[0], help=f"of the window ({SIZE[0]})")
    parser.add_argument("--scheme", choices=["light", "dark"], default="light", help="colours (light)")
    args = parser.parse_args()
    with serve() as connections, sync_playwright() as playwright:
        client = WebClient("xoxb-offline", f"{connections.page_url}/api/")
        for kind in SHOWN:
            failure = samples()[kind]
            client.chat_postMessage(channel="#alerts", username="Airflow", text=failure.text, blocks=failure.blocks)
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": args.width, "height": SIZE[1]}, color_scheme=args.scheme)
        page.goto(f"{connections.page_url}/slack")
        page.wait_for_selector("#state[data-state=live]")
        page.screenshot(path=args.into / "slack-inbox.png", animations="disabled", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()

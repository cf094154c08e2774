"""`.venv/bin/python -m tests.containers.screenshots`: take the README's pictures of Airflow's UI anew.

Of the environment that runs, in whichever mode, after a `./dev demo` in it; with Chromium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.ui import Ui
from workbench.cli.client import AirflowApi

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs/images"
ASSET, DAG, TASK = "raw_call_logs", "ingest_call_logs", "ingest"


def main() -> None:
    """Take all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.containers.screenshots", description=__doc__)
    parser.add_argument("--checkout", type=Path, default=ROOT, help="whose environment (this one's)")
    parser.add_argument("--into", type=Path, default=IMAGES, help="folder (docs/images)")
    args = parser.parse_args()
    command = [sys.executable, "-m", "workbench.cli", "status", "--json"]
    status = json.loads(subprocess.run(command, cwd=args.checkout, capture_output=True, check=False).stdout)
    user, password = status["ui"]["user"], Path(status["ui"]["password_file"]).read_text(encoding="utf-8")
    url = status["ui"]["url"].rstrip("/").replace("127.0.0.1", "localhost")
    runs = AirflowApi(url, user, password).get(f"/dags/{DAG}/dagRuns", state="success")["dag_runs"]
    if not runs:
        sys.exit(f"error: {DAG} has not run yet: ./dev demo")
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        ui = Ui(browser.new_page(), url)
        ui.log_in(user, password)
        ui.dags()
        ui.save(args.into / "ui-dags.png")
        ui.asset_graph(ASSET)
        ui.save(args.into / "asset-graph.png")
        ui.task_log(DAG, runs[-1]["dag_run_id"], TASK, until="Done. Returned value")
        ui.save(args.into / "ui-task-log.png")
        browser.close()


if __name__ == "__main__":
    main()

"""Time the hooks on one changed DAG file: the quick ones, which run when a file is saved, beside those of a commit.

In a copy of the checkout, so that nothing here is touched.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from stack import ROOT

from workbench.cli.environment import tool_environment

FILE = "dags/telecoms/load_warehouse.py"
STAGES = {"on saving (quick)": "manual", "at a commit (all)": "pre-commit"}


def main() -> None:
    """Measure both stages and each hook of the slower one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each stage (5); the median counts")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-hooks-") as folder:
        checkout = Path(folder) / "checkout"
        copy(checkout)
        for name, stage in STAGES.items():
            run(checkout, stage, 0)  # mypy's and ruff's caches are warm in daily work
            seconds = [run(checkout, stage, number) for number in range(1, args.runs + 1)]
            print(f"{name:<22} median {median(seconds):.2f} s, worst {max(seconds):.2f} s", flush=True)


def copy(checkout: Path) -> None:
    """Copy what git knows; the environments are shared."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
    for venv in (".venv", ".venv-emulators"):
        (checkout / venv).symlink_to(ROOT / venv)
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-C", str(checkout)]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--no-verify", "-m", "copy"]):
        subprocess.run([*git, *words], check=True)


def run(checkout: Path, stage: str, number: int) -> float:
    """Change the file and give the seconds that its hooks take."""
    file = checkout / FILE
    file.write_text(file.read_text() + f"# {number}\n")
    subprocess.run(["git", "-C", str(checkout), "add", FILE], check=True)
    command = [sys.executable, "-m", "pre_commit", "run", "--hook-stage", stage, "--files", FILE]
    began = time.monotonic()
    result = subprocess.run(command, cwd=checkout, env=tool_environment(), capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if result.returncode:
        print(result.stdout)
    return seconds


if __name__ == "__main__":
    main()

"""What a parse reads, as the parsing process itself records it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from workbench.airflow.reads import Reads

ROOT = Path(__file__).resolve().parents[3]
RECORD = """
import json, sys
sys.path[:0] = ["{project}"]
from workbench.airflow.reads import Recorder
import urllib.request
recorder = Recorder().start()
try:
    exec(compile({code!r}, "dag.py", "exec"))
except (SyntaxError, ImportError, OSError):
    pass
reads = recorder.result()
print(json.dumps([sorted(reads.paths), reads.outside]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with modules and data."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own/__init__.py").touch()
    (tmp_path / "own/whole.py").write_text("from own import deeper")
    (tmp_path / "own/deeper.py").write_text("VALUE = 1")
    (tmp_path / "own/broken.py").write_text("VALUE = (")
    (tmp_path / "query.sql").write_text("SELECT 1")
    return tmp_path


def record(project: Path, code: str) -> tuple[set[str], bool]:
    """Run code in a process that records, and give what it read of the project, and whether it asked outside."""
    script = RECORD.format(project=project, code=textwrap.dedent(code))
    process = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, env=process, capture_output=True, text=True, check=True
    )
    paths, outside = json.loads(done.stdout)
    return {os.path.relpath(path, project) for path in paths if path.startswith(str(project))}, outside


@pytest.mark.parametrize("run", ["from source", "from bytecode"])
def test_modules(project: Path, run: str) -> None:
    """Modules count however deep they are and however they are loaded."""
    if run == "from bytecode":
        for file in (project / "own").iterdir():
            os.utime(file, (0, 0))
        record(project, "import own.whole")
        assert (project / "own/__pycache__").exists()
    assert record(project, "import own.whole") == ({"own/__init__.py", "own/whole.py", "own/deeper.py"}, False)


def test_broken_module(project: Path) -> None:
    """A module that fails to import counts."""
    assert "own/broken.py" in record(project, "import own.broken")[0]


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("open('query.sql')", "query.sql"),
        ("import pathlib; pathlib.Path('query.sql').read_bytes()", "query.sql"),
        ("import os; os.open(b'query.sql', os.O_RDONLY)", "query.sql"),
        ("open('missing.yaml')", "missing.yaml"),
        ("import pathlib; list(pathlib.Path('own').glob('*.py'))", "own"),
        ("import os; os.listdir('own')", "own"),
    ],
)
def test_files(project: Path, code: str, path: str) -> None:
    """A file that is read counts, and a folder that is listed."""
    assert record(project, code) == ({path}, False)


def test_written(project: Path) -> None:
    """What a parse writes does not trigger another one."""
    assert record(project, "open('made.json', 'w').close(); open('made.json')") == (set(), False)


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
    ],
)
def test_outside(project: Path, code: str) -> None:
    """A file that asks the outside is known."""
    assert record(project, code)[1]


def test_installed(project: Path) -> None:
    """Installed packages do not count."""
    assert record(project, "import certifi; open(certifi.where()); import rich.table") == (set(), False)


def test_interrupted(tmp_path: Path) -> None:
    """An incomplete record counts as none."""
    reads = Reads(frozenset({"/a", "/b"}), frozenset({"/c"}), outside=True)
    with (tmp_path / "record").open("w+b") as file:
        reads.dump(file)
        assert Reads.load(file) == reads
        file.truncate(5)
        assert Reads.load(file) is None


def test_young_bytecode(tmp_path: Path) -> None:
    """An edit within a second that keeps the size is executed."""
    code = "from workbench.airflow.reads import distrust_young_bytecode as d; d(); import edited; print(edited.V)"
    process = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "PYTHONDONTWRITEBYTECODE": ""}
    file = tmp_path / "edited.py"

    def run() -> str:
        done = subprocess.run([sys.executable, "-c", code], env=process, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    now = int(time.time()) + 100  # a file of the future is young, however slow this machine is
    for version in ("1", "2"):
        file.write_text(f"V = {version}")
        os.utime(file, ns=(now * 10**9 + int(version), now * 10**9 + int(version)))
        assert run() == version

"""What git makes of the project on another machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from workbench.cli.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

#: What git for Windows sets at its installation, by default.
WINDOWS = "core.autocrlf=true"
#: Bytes that git itself would take for text, as the beginning of a data file may be.
LOOKS_LIKE_TEXT = b"PK one\ntwo\r\n"


def git(folder: Path, *words: str) -> str:
    """Run git with no settings but ours."""
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    author = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", WINDOWS)
    command = ["git", *author, *words]
    found = subprocess.run(command, cwd=folder, env=kept | settings, stdout=subprocess.PIPE, check=True).stdout
    return found.decode().rstrip("\0")  # no translation of line ends


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the checkout as it is now, with a file of each type that is declared binary."""
    source = tmp_path_factory.mktemp("source")
    for name in git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    attributes = source / ".gitattributes"
    types = re.findall(r"^\*(\.\w+) binary$", attributes.read_text() if attributes.exists() else "", re.MULTILINE)
    for suffix in [".parquet", ".zip", *types]:
        (source / f"users{suffix}").write_bytes(LOOKS_LIKE_TEXT)
    git(source, "init", "--quiet")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message=as it is")
    return source


@pytest.fixture(scope="module")
def clone(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a person on Windows has after `git clone`."""
    clone = tmp_path_factory.mktemp("clone") / "checkout"
    git(source, "clone", "--quiet", f"--config={WINDOWS}", str(source), str(clone))
    return clone


def test_a_clone_on_windows_has_every_file_byte_by_byte(source: Path, clone: Path) -> None:
    names = git(source, "ls-files", "-z").split("\0")
    assert len(names) > 300
    assert [name for name in names if (clone / name).read_bytes() != (source / name).read_bytes()] == []


def test_no_text_file_of_it_has_a_carriage_return(clone: Path) -> None:
    lines = git(clone, "ls-files", "--eol").splitlines()
    assert [line for line in lines if re.search(r"[iw]/(crlf|mixed)", line) and "attr/-text" not in line] == []


def test_a_shell_takes_every_script_of_it(clone: Path) -> None:
    names = git(clone, "ls-files", "-z").split("\0")
    scripts = [name for name in names if re.match(rb"#!/bin/(ba)?sh\s", (clone / name).read_bytes())]
    assert "dev" in scripts
    for name in scripts:
        shell = "bash" if b"bash" in (clone / name).read_bytes().splitlines()[0] else "sh"
        result = subprocess.run([shell, "-n", name], cwd=clone, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, ""), name


def test_what_an_editor_on_windows_saves_is_committed_with_unix_line_ends(clone: Path) -> None:
    """Also where git is set to convert nothing."""
    (clone / "dags/mine.py").write_bytes(b"a = 1\r\n")
    git(clone, "-c", "core.autocrlf=false", "add", "dags/mine.py")
    assert git(clone, "show", ":dags/mine.py") == "a = 1\n"

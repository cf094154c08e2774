"""Every command has help and a line in the README; every error is one message."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from workbench.cli import main

COMMANDS = main.read_commands()
README = (Path(__file__).parents[3] / "README.md").read_text()
LINES_OF_A_SCREEN, COLUMNS_OF_A_SCREEN = 24, 80


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command has help."""
    with pytest.raises(SystemExit) as end:
        main.main([command, "--help"])
    assert end.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_readme(command: str) -> None:
    """Every command is named in the README."""
    assert re.search(rf"`(\./dev )?{command}\b", README)


def test_help_fits(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`./dev --help` fits one screen of 80 columns, and has every command in a group."""
    monkeypatch.setenv("COLUMNS", str(COLUMNS_OF_A_SCREEN))
    with pytest.raises(SystemExit):
        main.main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= LINES_OF_A_SCREEN
    too_long = [line for line in lines if len(line) > COLUMNS_OF_A_SCREEN]
    assert not too_long, "shorten the first line of the docstring in workbench/cli/commands"
    shown = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(shown) == sorted(COMMANDS)


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """A usage error exits with 2."""
    with pytest.raises(SystemExit) as end:
        main.main(["nonsense"])
    assert end.value.code == 2
    assert "nonsense" in capsys.readouterr().err


def test_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """A foreseen error is one message for people, and an envelope with a code for scripts."""
    assert main.main(["logs", "nonsense"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("error: the service nonsense does not exist\n  why:  ")
    assert not printed.out
    assert main.main(["logs", "nonsense", "--json"]) == 1
    envelope = json.loads(capsys.readouterr().out)
    assert (envelope["schema"], envelope["ok"]) == (1, False)
    assert set(envelope["error"]) == {"code", "what", "why", "fix"}
    assert envelope["error"]["code"] == "service-unknown"

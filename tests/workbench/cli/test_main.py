"""Every command has help and a line in the README; every error is one message."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from workbench.cli import main

README = (Path(__file__).parents[3] / "README.md").read_text()
LINES_OF_A_SCREEN = 24


@pytest.mark.parametrize("command", main.COMMANDS)
def test_a_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main.main([command, "--help"])
    assert end.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize("command", main.COMMANDS)
def test_a_command_has_a_line_in_the_readme(command: str) -> None:
    assert re.search(rf"`(\./dev )?{command}\b", README)


def test_the_help_fits_one_screen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main.main(["--help"])
    assert len(capsys.readouterr().out.splitlines()) <= LINES_OF_A_SCREEN


def test_a_usage_error_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main.main(["nonsense"])
    assert end.value.code == 2
    assert "nonsense" in capsys.readouterr().err


def test_a_foreseen_error_is_one_message_for_people_and_json_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["logs", "nonsense"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("error: there is no service nonsense\n  why:  ")
    assert not told.out
    assert main.main(["logs", "nonsense", "--json"]) == 1
    assert set(json.loads(capsys.readouterr().out)["error"]) == {"what", "why", "fix"}

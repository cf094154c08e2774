"""Google's refusals, in one message each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from common.errors import AccessRefusedError
from common.sheets import read_values

if TYPE_CHECKING:
    from tests.conftest import Place

VARIABLE = "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"


def connect(place: Place, monkeypatch: pytest.MonkeyPatch, **extra: Any) -> None:
    connection = json.loads(place.env[VARIABLE])
    connection["extra"] = {k: v for k, v in (connection["extra"] | extra).items() if v is not None}
    monkeypatch.setenv(VARIABLE, json.dumps(connection))


def test_rows(place: Place) -> None:
    """A sheet is read as rows of cells."""
    head, *rows = read_values("telecoms-agents", "agents")
    assert head == ["iD", "NamE", "experience", "state"]
    assert len(rows) > 60


@pytest.mark.parametrize(
    ("spreadsheet", "cells", "message"),
    [("no-such", "agents", "not found"), ("telecoms-agents", "nobody", "Unable to parse range")],
)
def test_wrong_name(place: Place, spreadsheet: str, cells: str, message: str) -> None:
    """The error of a wrong name has Google's words and the connection."""
    with pytest.raises(AccessRefusedError, match=message) as refused:
        read_values(spreadsheet, cells)
    assert VARIABLE in str(refused.value)


def test_missing_key(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error of a missing key file names it."""
    connect(place, monkeypatch, key_path=str(tmp_path / "key.json"))
    with pytest.raises(AccessRefusedError, match=r"key.json cannot be read: No such file"):
        read_values("telecoms-agents", "agents")


def test_bad_key(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error of a key that is not valid shows none of its content."""
    (tmp_path / "key.json").write_text('{"private_key": "very-secret"}')  # pragma: allowlist secret
    connect(place, monkeypatch, key_path=str(tmp_path / "key.json"))
    with pytest.raises(AccessRefusedError, match="the service account's key is not valid") as refused:
        read_values("telecoms-agents", "agents")
    assert "very-secret" not in str(refused.value)


def test_relative_path(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path of the key begins at the checkout."""
    monkeypatch.chdir("/")
    connect(place, monkeypatch, key_path="secrets/no-such-key.json")
    with pytest.raises(AccessRefusedError, match=rf"{Path(__file__).parents[2]}/secrets/no-such-key.json"):
        read_values("telecoms-agents", "agents")


def test_no_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a connection without a key names the field."""
    connect(place, monkeypatch, key_path=None)
    with pytest.raises(AccessRefusedError, match=r"set extra.key_path"):
        read_values("telecoms-agents", "agents")


def test_keyfile_dict(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key may be in the connection itself."""
    key = Path(json.loads(place.env[VARIABLE])["extra"]["key_path"]).read_text()
    connect(place, monkeypatch, key_path=None, keyfile_dict=key)
    assert read_values("telecoms-agents", "agents!A1:B1") == [["iD", "NamE"]]

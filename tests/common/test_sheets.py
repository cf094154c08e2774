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


def test_the_sheet_comes_as_rows_of_cells(place: Place) -> None:
    head, *rows = read_values("telecoms-agents", "agents")
    assert head == ["iD", "NamE", "experience", "state"]
    assert len(rows) > 60


@pytest.mark.parametrize(
    ("spreadsheet", "cells", "message"),
    [("no-such", "agents", "not found"), ("telecoms-agents", "nobody", "Unable to parse range")],
)
def test_a_wrong_name_is_told_in_googles_words(place: Place, spreadsheet: str, cells: str, message: str) -> None:
    with pytest.raises(AccessRefusedError, match=message) as refused:
        read_values(spreadsheet, cells)
    assert VARIABLE in str(refused.value)


def test_a_key_that_is_not_there_is_named(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connect(place, monkeypatch, key_path=str(tmp_path / "key.json"))
    with pytest.raises(AccessRefusedError, match=r"key.json cannot be read: No such file"):
        read_values("telecoms-agents", "agents")


def test_a_key_that_is_none_shows_nothing_of_it(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{"private_key": "very-secret"}')  # pragma: allowlist secret
    connect(place, monkeypatch, key_path=str(tmp_path / "key.json"))
    with pytest.raises(AccessRefusedError, match="the service account's key is not valid") as refused:
        read_values("telecoms-agents", "agents")
    assert "very-secret" not in str(refused.value)


def test_a_relative_path_of_the_key_begins_at_the_checkout(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    connect(place, monkeypatch, key_path="secrets/no-such-key.json")
    with pytest.raises(AccessRefusedError, match=rf"{Path(__file__).parents[2]}/secrets/no-such-key.json"):
        read_values("telecoms-agents", "agents")


def test_a_connection_without_a_key_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(place, monkeypatch, key_path=None)
    with pytest.raises(AccessRefusedError, match=r"set extra.key_path"):
        read_values("telecoms-agents", "agents")


def test_the_key_may_stand_in_the_connection_itself(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    key = Path(json.loads(place.env[VARIABLE])["extra"]["key_path"]).read_text()
    connect(place, monkeypatch, key_path=None, keyfile_dict=key)
    assert read_values("telecoms-agents", "agents!A1:B1") == [["iD", "NamE"]]

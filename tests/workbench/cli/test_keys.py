"""Keys are made once, are strong enough, and are for one user alone."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet

from workbench.cli import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from workbench.cli.settings import Settings


def test_made_once(load: Callable[..., Settings]) -> None:
    """Keys are made once; only what is missing or empty is made again."""
    settings = load()
    keys.make_local_keys(settings)
    first = {file.name: file.read_bytes() for file in settings.keys.iterdir()}
    (settings.keys / "session_key").unlink()
    (settings.keys / "jwt_secret").write_text("")
    keys.make_local_keys(settings)
    second = {file.name: file.read_bytes() for file in settings.keys.iterdir()}
    assert {name for name in first if first[name] != second[name]} == {"session_key", "jwt_secret"}


def test_valid(load: Callable[..., Settings]) -> None:
    """Airflow accepts every key."""
    settings = load()
    keys.make_local_keys(settings)
    Fernet((settings.keys / "fernet_key").read_bytes())
    assert len((settings.keys / "jwt_secret").read_bytes()) >= 64
    passwords = json.loads((settings.keys / "simple_auth_manager_passwords.json").read_text())
    assert passwords == {"admin": settings.password_file.read_text()}
    assert not [file.name for file in settings.keys.iterdir() if file.read_bytes().endswith(b"\n")]


def test_private(load: Callable[..., Settings]) -> None:
    """Only this user can read the keys, also where the folder was open."""
    settings = load()
    settings.keys.mkdir(parents=True)
    settings.keys.chmod(0o755)
    keys.make_local_keys(settings)
    assert stat.S_IMODE(settings.keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in settings.keys.iterdir()} == {0o600}


def test_passwords(load: Callable[..., Settings]) -> None:
    """Passwords that Airflow added for other users stay."""
    settings = load()
    keys.make_local_keys(settings)
    file = settings.keys / "simple_auth_manager_passwords.json"
    file.write_text(json.dumps({"viewer": "theirs", "admin": "old"}))
    keys.make_local_keys(settings)
    assert json.loads(file.read_text()) == {"viewer": "theirs", "admin": settings.password_file.read_text()}

    file.write_text(json.dumps({"ada": "hers"}))
    keys.make_local_keys(settings)
    assert json.loads(file.read_text()) == {"ada": "hers", "admin": settings.password_file.read_text()}


def test_damaged_passwords(load: Callable[..., Settings], capsys: pytest.CaptureFixture[str]) -> None:
    """A file of passwords that cannot be read is kept aside."""
    settings = load()
    keys.make_local_keys(settings)
    file = settings.keys / "simple_auth_manager_passwords.json"
    own = json.loads(file.read_text())
    file.write_text('{"ada": "he')
    keys.make_local_keys(settings)
    assert json.loads(file.read_text()) == own
    assert file.with_suffix(".damaged").read_text() == '{"ada": "he'
    assert "it was renamed to simple_auth_manager_passwords.damaged" in capsys.readouterr().err

"""Keys and passwords that are made once, for an environment on this machine or in containers."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from workbench.cli.settings import HOST
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from workbench.cli.settings import Settings

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600

#: file -> what makes it. No trailing newline: Airflow takes the output of `cat` as it is.
MAKERS: dict[str, Callable[[], str]] = {
    "fernet_key": lambda: base64.urlsafe_b64encode(os.urandom(32)).decode(),
    "jwt_secret": lambda: secrets.token_urlsafe(64),
    "session_key": lambda: secrets.token_urlsafe(32),
    "admin_password": lambda: secrets.token_urlsafe(12),
}
#: What containers need as well: their database asks for a password.
CONTAINER_MAKERS = {**MAKERS, "postgres_password": lambda: secrets.token_urlsafe(32)}


def make_local_keys(settings: Settings) -> None:
    """Make the keys of an environment on this machine."""
    make_private_folder(settings.keys)
    make_keys(settings.keys, settings.ui_user)


def make_local_emulators_keys(settings: Settings) -> None:
    """Make the keys of emulators that answer on this machine."""
    # The user's own CA bundle is in force, not the one that is made from it here.
    environment = {**settings.inherited, "PYTHONPATH": str(settings.root)}
    address = HOST, settings.ports["EMULATORS_PORT"]
    make_emulators_keys(settings.emulators_python, settings.keys, address, environment)


def make_keys(folder: Path, user: str, makers: Mapping[str, Callable[[], str]] = MAKERS) -> None:
    """Make each key that is missing, and the file by which Airflow's login knows its users.

    :param folder: it exists.
    :param user: the login whose password is `admin_password`.
    """
    for name, make in makers.items():
        file = folder / name
        if not file.is_file() or not file.stat().st_size:
            write_private(file, make())
    write_password(folder, user)


def write_password(folder: Path, user: str) -> None:
    """Write the password as JSON, as Airflow's login wants it; those that Airflow added for other users stay.

    :param folder: where the keys are.
    """
    file = folder / "simple_auth_manager_passwords.json"
    passwords: dict[str, str] = {}
    with suppress(FileNotFoundError):
        try:
            passwords = dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            damaged = file.with_suffix(".damaged")
            file.replace(damaged)
            print(
                f"{file} could not be read: it was renamed to {damaged.name}, and a new one was created",
                file=sys.stderr,
            )
    passwords[user] = (folder / "admin_password").read_text(encoding="utf-8")
    write_private(file, json.dumps(passwords))


def make_emulators_keys(
    command: Sequence[str], folder: Path, address: tuple[str, int], environment: Mapping[str, str]
) -> None:
    """Make the emulators' CA, certificate and throwaway Google key; they are made again where the address changed.

    :param command: what runs the emulators' package.
    :param address: host and port of the emulators' pages.
    :raises UserError: with what the command said.
    """
    words = [*command, "keys", f"--keys={folder}", f"--host={address[0]}", f"--port={address[1]}"]
    result = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        why = result.stderr.strip() or result.stdout.strip() or f"exit status {result.returncode}"
        raise UserError("the emulators' certificates could not be created", why, "./dev doctor", "keys-failed")


def make_private_folder(folder: Path) -> None:
    """Make a folder that only this user can open, or close one that is open."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    folder.chmod(PRIVATE_FOLDER)


def write_private(file: Path, text: str) -> None:
    """Write a file that only this user can read; a reader sees the old one or the new one, never half of it."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    draft.replace(file)

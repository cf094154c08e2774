"""What `airflow-init` does at each start: check the settings, make missing keys, migrate the database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg2
from psycopg2 import sql

from workbench.cli.keys import CONTAINER_MAKERS, make_emulators_keys, make_keys, write_private
from workbench.cli.settings import UI_USER, check_retired
from workbench.errors import UserError

KEYS = Path(os.environ["KEYS_DIR"])
SOCKETS = "/var/run/postgresql"
ROLE = DATABASE = "airflow"
#: The workspace's user is not the one that runs Airflow, and shares its group.
GROUP_MAY_READ = 0o640


def main() -> int:
    """Do all of it.

    :return: the exit status of what failed, else 0.
    """
    check_retired(os.environ, ".env")
    make_keys(KEYS, UI_USER, CONTAINER_MAKERS)
    write_private(
        KEYS / "database_url", f"postgresql+psycopg2://{ROLE}:{read('postgres_password')}@postgres:5432/{DATABASE}"
    )
    # The certificates in force are the image's, not the bundle that is about to be made from them.
    environment = {name: value for name, value in os.environ.items() if name != "REQUESTS_CA_BUNDLE"}
    address = os.environ["EMULATORS_HOST"], int(os.environ["EMULATORS_PORT"])
    make_emulators_keys([sys.executable, "-m", "workbench.emulators"], KEYS, address, environment)
    for file in KEYS.iterdir():
        file.chmod(GROUP_MAY_READ)
    set_password(read("postgres_password"))
    return subprocess.run(["airflow", "db", "migrate"], check=False).returncode


def read(key: str) -> str:
    """Return a key's text."""
    return (KEYS / key).read_text(encoding="utf-8")


def set_password(password: str) -> None:
    """Set the database's password to that of the keys volume; the socket needs none."""
    session = psycopg2.connect(host=SOCKETS, user=ROLE, dbname=DATABASE)
    session.autocommit = True
    with session.cursor() as cursor:
        # scram-sha-256 whatever the server's default; before 14 it is md5, which the server's rules refuse.
        # pragma: allowlist nextline secret
        cursor.execute("SET password_encryption = 'scram-sha-256'")
        cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(password)))
    session.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error.what}\n  why:  {error.why}\n  fix:  {error.fix}")

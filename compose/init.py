"""What `airflow-init` does, and may do again at each start: make what is missing of the keys, migrate the database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg2
from psycopg2 import sql

from workbench.cli.keys import MAKERS, write_password, write_private
from workbench.cli.settings import UI_USER

KEYS = Path(os.environ["KEYS_DIR"])
SOCKETS = "/var/run/postgresql"
ROLE = DATABASE = "airflow"
#: The workspace's user is not the one that runs Airflow, and shares its group.
GROUP_MAY_READ = 0o640


def main() -> int:
    """Do all of it.

    :return: the exit status of what failed, else 0.
    """
    for name, make in {**MAKERS, "postgres_password": MAKERS["session_key"]}.items():
        file = KEYS / name
        if not file.is_file() or not file.stat().st_size:
            write_private(file, make())
    write_password(KEYS, UI_USER)
    write_private(
        KEYS / "database_url", f"postgresql+psycopg2://{ROLE}:{read('postgres_password')}@postgres:5432/{DATABASE}"
    )
    command = [sys.executable, "-m", "workbench.emulators", "keys", f"--keys={KEYS}"]
    command += [f"--host={os.environ['EMULATORS_HOST']}", f"--port={os.environ['EMULATORS_PORT']}"]
    # The certificates in force are the image's, not the bundle that is about to be made from them.
    environment = {name: value for name, value in os.environ.items() if name != "REQUESTS_CA_BUNDLE"}
    status = subprocess.run(command, env=environment, check=False).returncode
    for file in KEYS.iterdir():
        file.chmod(GROUP_MAY_READ)
    set_password(read("postgres_password"))
    return status or subprocess.run(["airflow", "db", "migrate"], check=False).returncode


def read(key: str) -> str:
    """Return a key's text."""
    return (KEYS / key).read_text(encoding="utf-8")


def set_password(password: str) -> None:
    """Give the database the password of the keys volume, whatever it had: the socket asks for none."""
    session = psycopg2.connect(host=SOCKETS, user=ROLE, dbname=DATABASE)
    session.autocommit = True
    with session.cursor() as cursor:
        # scram-sha-256 whatever the server's default; before 14 it is md5, which the server's rules refuse.
        # pragma: allowlist nextline secret
        cursor.execute("SET password_encryption = 'scram-sha-256'")
        cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(password)))
    session.close()


if __name__ == "__main__":
    sys.exit(main())

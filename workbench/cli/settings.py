"""What one environment is made of: its folders, its ports, and the environment of its processes.

Later sources win: `compose/airflow.env`, `compose/emulators.env`, `.env`, the process environment; last
what the backend decides (folders, database, keys), which nobody can change without breaking it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shlex
import string
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream

from workbench.emulator_check import is_emulator
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST = "127.0.0.1"
#: The backends; in the dev container the environment runs around the terminal.
NATIVE, DOCKER, DEVCONTAINER = "native", "docker", "devcontainer"
#: Those that a user can choose.
MODES = (NATIVE, DOCKER)
UI_USER = "admin"
CONNECTION = "AIRFLOW_CONN_"
#: Airflow's name of an executor -> that of `./dev`.
EXECUTORS = {"LocalExecutor": "local", "CeleryExecutor": "celery"}
#: variable -> default, or the offset from the emulators' first port.
PORTS = {"AIRFLOW_PORT": 8080, "EMULATORS_PORT": 8090, "EMULATORS_S3_PORT": 1, "EMULATORS_SNOWFLAKE_PORT": 2}
#: Another Python's settings would reach into this one; without bytecode every start would compile all of Airflow.
FOREIGN = frozenset(
    {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONDONTWRITEBYTECODE"}
    | {"VIRTUAL_ENV", "AIRFLOW_CONFIG"}
)
#: Settings that an earlier edition had -> their present names.
RETIRED = {
    "STANDINS_PORT": "EMULATORS_PORT",
    "STANDINS_S3_PORT": "EMULATORS_S3_PORT",
    "STANDINS_SNOWFLAKE_PORT": "EMULATORS_SNOWFLAKE_PORT",
    "STANDINS_HOST": "EMULATORS_HOST",
    "STANDINS_URL": "EMULATORS_URL",
    "STANDINS_MEMORY": "EMULATORS_MEMORY",
}
#: Set by `./dev shell` to the names that it exported: they are not the user's own settings.
SHELL_MARK = "WORKBENCH_SHELL"
#: A socket's path may have 107 bytes, and supervisor appends a dot and a pid to its own.
LONGEST_SOCKET_FOLDER = 70

_URI = re.compile(r"[a-z][a-z0-9+._-]*://", re.IGNORECASE)
_SETTING = re.compile(
    r"AIRFLOW_|AWS_|TELECOMS_|EMULATORS_|WORKBENCH_(?:MODE|DEBUGPY|STOCK)$|HTTPS?_PROXY$|NO_PROXY$|SSL_CERT_FILE$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Connection:
    """One of Airflow's connections, as its processes see it.

    :ivar value: JSON or a URI; it may hold secrets.
    """

    conn_id: str
    value: str = field(repr=False)
    is_emulator: bool

    @property
    def variable(self) -> str:
        """The environment variable that defines it."""
        return CONNECTION + self.conn_id.upper()

    @property
    def conn_type(self) -> str:
        """Its type, such as `aws`."""
        return str(json.loads(self.value)["conn_type"]) if self.value.startswith("{") else self.value.split(":")[0]


@dataclass(frozen=True)
class Settings:
    """One environment.

    :param root: the checkout.
    :param user: what `.env` and the process environment set, the latter winning.
    :param inherited: the process environment, without what another Python left in it.
    :param wanted_mode: the backend that the user has set; empty where none is set.
    :param mode: the backend that runs it.
    """

    root: Path
    user: Mapping[str, str] = field(repr=False)
    inherited: Mapping[str, str] = field(repr=False)
    wanted_mode: str = ""
    mode: str = NATIVE

    @classmethod
    def load(cls, root: Path, process: Mapping[str, str] = os.environ) -> Settings:
        """Read everything and check it.

        :raises UserError: naming the file and variable that is wrong, and no secret.
        """
        in_shell = process.get(SHELL_MARK, "").split(",")
        inherited = {name: value for name, value in process.items() if name not in FOREIGN and name not in in_shell}
        written = read_env(root / ".env")
        check_retired(written, ".env")
        check_retired(inherited, "the environment")
        user = written | {name: value for name, value in inherited.items() if _SETTING.match(name)}
        settings = cls(root, user, inherited, user.pop("WORKBENCH_MODE", "").strip())
        settings.check()
        return settings

    def check(self) -> None:
        """Check what can be wrong in a user's values."""
        ports: dict[int, str] = {}
        for variable, port in self.ports.items():
            if other := ports.get(port):
                raise UserError(
                    f"{variable} and {other} have the same value, {port}",
                    "each server needs its own port",
                    f"set {variable} in .env to another port",
                    "port-used-twice",
                )
            ports[port] = variable
        if self.wanted_mode not in {"", *MODES}:
            raise UserError(
                "WORKBENCH_MODE is not a valid mode",
                f"its value is {self.wanted_mode!r}",
                f"set it to {' or '.join(MODES)}",
                "mode-invalid",
            )
        for name, value in self.environment.items():
            if name.startswith(CONNECTION):
                check_connection(name, value)

    @property
    def run(self) -> Path:
        """Everything that running makes: keys, databases, logs."""
        return self.root / ".run"

    @property
    def keys(self) -> Path:
        """Machine-made keys, for this user only; with Docker, copies of those that are needed outside of it."""
        if self.mode == DEVCONTAINER:
            return Path(self.inherited["KEYS_DIR"])
        return self.run / ("docker/keys" if self.mode == DOCKER else "keys")

    @property
    def logs(self) -> Path:
        """The services' own logs."""
        return self.run / "logs"

    @property
    def airflow_home(self) -> Path:
        """AIRFLOW_HOME, with the tasks' logs."""
        return self.run / "airflow"

    @cached_property
    def sockets(self) -> Path:
        """The folder of the unix sockets: `.run/sockets`, or a short one where that path is too long."""
        folder = self.run / "sockets"
        if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
            return folder
        return short_folder(self.root)

    @cached_property
    def ports(self) -> dict[str, int]:
        """Variable -> port."""
        ports: dict[str, int] = {}
        for variable, default in PORTS.items():
            text = self.user.get(variable, "").strip()
            if text and not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):  # noqa: PLR2004 TCP's range
                raise UserError(
                    f"{variable} is not a valid port",
                    f"its value is {text!r}",
                    f"set {variable} in .env to a number from 1024 to 65535",
                    "port-invalid",
                )
            ports[variable] = (
                int(text) if text else default if default > len(PORTS) else ports["EMULATORS_PORT"] + default
            )
        return ports

    @property
    def port(self) -> int:
        """The UI's port; in the dev container AIRFLOW_PORT is the host's, and the UI has its own."""
        return PORTS["AIRFLOW_PORT"] if self.mode == DEVCONTAINER else self.ports["AIRFLOW_PORT"]

    @property
    def ui_url(self) -> str:
        """The UI and its API, without a trailing slash."""
        return f"http://{HOST}:{self.port}"

    @property
    def ui_user(self) -> str:
        """The login."""
        return UI_USER

    @property
    def password_file(self) -> Path:
        """The file that holds the login's password and nothing else."""
        return self.keys / "admin_password"

    @property
    def emulators_url(self) -> str:
        """The emulators' start page."""
        return f"http://{HOST}:{self.ports['EMULATORS_PORT']}"

    @property
    def s3_url(self) -> str:
        """The S3 emulator."""
        return f"http://{HOST}:{self.ports['EMULATORS_S3_PORT']}"

    @property
    def database_url(self) -> str:
        """Airflow's database: a unix socket that only this user can open."""
        return f"postgresql+psycopg2://airflow@/airflow?host={self.sockets / 'postgres'}"

    @cached_property
    def emulators(self) -> dict[str, str]:
        """What `compose/emulators.env` sets: the connections to the emulators and the pipeline's names."""
        values = {
            "EMULATORS_HOST": self.inherited["EMULATORS_HOST"] if self.mode == DEVCONTAINER else HOST,
            "KEYS_DIR": str(self.keys),
            **{name: str(port) for name, port in self.ports.items()},
        }
        raw = read_env(self.root / "compose/emulators.env")
        return {name: string.Template(value).safe_substitute(values) for name, value in raw.items()}

    @cached_property
    def environment(self) -> dict[str, str]:
        """The whole environment of Airflow's processes; no machine-made key is in it."""
        settings = read_env(self.root / "compose/airflow.env") | self.emulators
        settings["AIRFLOW__API__BASE_URL"] = f"{self.ui_url}/"  # without the slash, links to logs break
        return {**self.inherited, **settings, **self.user, **self.from_backend}

    @cached_property
    def from_backend(self) -> dict[str, str]:
        """What the backend decides; in the dev container, Compose has set all but one."""
        if self.mode == DEVCONTAINER:
            return {"PYTHONPATH": str(self.root)}
        ports = {name: str(port) for name, port in self.ports.items()}
        set_up = {**self.inherited, **self.user}
        direct = ",".join(filter(None, [set_up.get("NO_PROXY") or set_up.get("no_proxy"), HOST, "localhost"]))
        return {
            **ports,
            "NO_PROXY": direct,  # a user's proxy cannot reach this machine's own ports
            "no_proxy": direct,
            "AIRFLOW_HOME": str(self.airflow_home),
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__SECRET_KEY_CMD": _cat(self.keys / "session_key"),
            "AIRFLOW__API_AUTH__JWT_SECRET_CMD": _cat(self.keys / "jwt_secret"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.root / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.ui_url}/execution/",
            "AIRFLOW__CORE__FERNET_KEY_CMD": _cat(self.keys / "fernet_key"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.root / "plugins"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.keys / "simple_auth_manager_passwords.json"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database_url,
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.airflow_home / "logs"),
            "PYTHONPATH": str(self.root),
            "REQUESTS_CA_BUNDLE": str(self.keys / "ca-bundle.pem"),
        }

    @cached_property
    def decided(self) -> dict[str, str]:
        """The part of the environment that the project and its user set, the same from every terminal."""
        return {name: self.environment[name] for name in sorted({**self.emulators, **self.user, **self.from_backend})}

    @cached_property
    def connections(self) -> tuple[Connection, ...]:
        """All connections by name."""
        return tuple(
            Connection(
                name.removeprefix(CONNECTION).lower(), value, is_emulator(value, self.environment["EMULATORS_URL"])
            )
            for name, value in sorted(self.environment.items())
            if name.startswith(CONNECTION)
        )

    @property
    def executor(self) -> str:
        """What runs the tasks: `local`, `celery`, or the setting as it stands."""
        name = self.environment["AIRFLOW__CORE__EXECUTOR"].partition(":")[0]
        return EXECUTORS.get(name, name)

    @property
    def emulators_python(self) -> tuple[str, ...]:
        """The command that runs the emulators' package in its own Python."""
        return (str(self.root / ".venv-emulators/bin/python"), "-m", "workbench.emulators")


def read_env(file: Path) -> dict[str, str]:
    """Read `KEY=VALUE` lines; Windows line ends, quotes and a byte order mark are understood.

    :return: the values unchanged, nothing interpolated; empty where there is no file.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        fix = f"save {file} as UTF-8, readable by you"
        raise UserError(f"{file.name} cannot be read", str(error), fix, "env-unreadable") from None
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key and binding.value is None):
            raise UserError(
                f"{file.name} has a line that is not a valid setting",
                f"line {binding.original.line} does not have the form KEY=VALUE, or a quote is not closed",
                f"correct line {binding.original.line} of {file}",
                "env-invalid",
            )
        if binding.key and binding.value is not None:
            values[binding.key] = binding.value
    return values


def check_retired(settings: Mapping[str, str], source: str) -> None:
    """Refuse a setting whose name has changed: if it were ignored, nobody would notice.

    :param source: where they are set, for the message.
    :raises UserError: with the new name.
    """
    for old, new in RETIRED.items():
        if old in settings:
            raise UserError(
                f"{old} is now called {new}",
                f"{source} sets the old name, which has no effect any more",
                f"in {source}, set {new} instead of {old}",
                "setting-retired",
            )


def check_connection(variable: str, value: str) -> None:
    """Refuse a connection that Airflow would fail to read later; its value is not shown.

    :raises UserError: naming the variable.
    """
    fix = f"""write {variable}='{{"conn_type": "...", "login": "..."}}' in .env, in single quotes, on one line"""
    if not value.startswith("{"):
        if _URI.match(value):
            return
        why = "it is neither a JSON object nor a URI"
        raise UserError(f"{variable} is not a valid connection", why, fix, "connection-invalid")
    try:
        connection = json.loads(value)
    except json.JSONDecodeError as error:
        why = f"{error.msg} at character {min(error.pos + 1, len(value))} of {len(value)}"
        raise UserError(f"{variable} is malformed JSON", why, fix, "connection-invalid") from None
    if not isinstance(connection.get("conn_type"), str):
        why = "Airflow needs it to know the kind of connection"
        raise UserError(f"{variable} has no conn_type", why, fix, "connection-invalid")


def short_folder(root: Path) -> Path:
    """Return a short folder for the sockets of a checkout whose own path is too long for them.

    It is the same for every process that works in the checkout, whatever its TMPDIR.
    """
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    return Path("/tmp") / f"airflow-workbench-{digest}"  # noqa: S108 its owner and mode are checked


def _cat(file: Path) -> str:
    """Return the command that Airflow runs to read a key."""
    return f"cat {shlex.quote(str(file))}"

"""What a user writes in `.env` reaches Airflow, and what is wrong in it is reported without a secret."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workbench.cli.settings import LONGEST_SOCKET_FOLDER, RETIRED, Settings, read_env
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    Load = Callable[..., Settings]

SECRET = "sesame-open"


def test_defaults(checkout: Path) -> None:
    """With nothing set, all connections are emulators', on the documented ports."""
    settings = Settings.load(checkout, {})
    assert settings.ui_url == "http://127.0.0.1:8080"
    assert settings.ports == {
        "AIRFLOW_PORT": 8080,
        "EMULATORS_PORT": 8090,
        "EMULATORS_S3_PORT": 8091,
        "EMULATORS_SNOWFLAKE_PORT": 8092,
    }
    assert {each.conn_id for each in settings.connections} >= {
        "aws_default",
        "google_cloud_default",
        "slack_api_default",
        "snowflake_default",
    }
    assert all(each.is_emulator for each in settings.connections)


def test_ports(load: Load) -> None:
    """The emulators' ports follow the first one, and reach the connections."""
    settings = load("EMULATORS_PORT=9000\n")
    assert settings.ports["EMULATORS_S3_PORT"] == 9001
    aws = json.loads(settings.environment["AIRFLOW_CONN_AWS_DEFAULT"])
    assert aws["extra"]["endpoint_url"] == "http://127.0.0.1:9001"
    snowflake = json.loads(settings.environment["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
    assert snowflake["extra"]["port"] == 9002


def test_proxy(load: Load) -> None:
    """A user's proxy is never asked for what is on this machine."""
    environment = load("HTTPS_PROXY=http://proxy.corp:3128\nNO_PROXY=.corp\n").environment
    assert environment["HTTPS_PROXY"] == "http://proxy.corp:3128"
    assert environment["NO_PROXY"] == environment["no_proxy"] == ".corp,127.0.0.1,localhost"


def test_filled_in(load: Load) -> None:
    """Every default is filled in."""
    assert not [name for name, value in load().environment.items() if "${" in value]


@pytest.mark.parametrize(
    "text",
    [
        b"AIRFLOW_PORT=8181\r\nTELECOMS_LAKE_BUCKET='lake # 1'\r\n",
        b'\xef\xbb\xbfAIRFLOW_PORT="8181"\nexport TELECOMS_LAKE_BUCKET="lake # 1"',
        b"# a comment\n\n  AIRFLOW_PORT = 8181  # mine\nTELECOMS_LAKE_BUCKET='lake # 1'",
    ],
    ids=["windows line ends", "byte order mark and export", "comments and blanks"],
)
def test_env_files(load: Load, text: bytes) -> None:
    """.env files of all editors are read."""
    settings = load(text)
    assert settings.port == 8181
    assert settings.environment["TELECOMS_LAKE_BUCKET"] == "lake # 1"


def test_literal(load: Load) -> None:
    """A value is taken unchanged."""
    assert load("AIRFLOW_VAR_TEXT='${HOME} $5'\n").environment["AIRFLOW_VAR_TEXT"] == "${HOME} $5"


def test_precedence(load: Load) -> None:
    """The process environment wins over .env, and .env over the defaults."""
    text = "AIRFLOW__CORE__PARALLELISM=3\nAIRFLOW__API__WORKERS=2\n"
    settings = load(text, AIRFLOW__CORE__PARALLELISM="5")
    assert settings.environment["AIRFLOW__CORE__PARALLELISM"] == "5"
    assert settings.environment["AIRFLOW__API__WORKERS"] == "2"


def test_foreign(load: Load, checkout: Path) -> None:
    """What the backend decides cannot come from another Airflow."""
    settings = load(AIRFLOW_HOME="/elsewhere", PYTHONPATH="/elsewhere", VIRTUAL_ENV="/elsewhere")
    assert settings.environment["AIRFLOW_HOME"] == str(checkout / ".run/airflow")
    assert settings.environment["PYTHONPATH"] == str(checkout)
    assert "VIRTUAL_ENV" not in settings.environment


def test_own_connection(load: Load) -> None:
    """A user's connection replaces one emulator and no other."""
    settings = load('AIRFLOW_CONN_AWS_DEFAULT=\'{"conn_type": "aws"}\'\n')
    assert {each.conn_id for each in settings.connections if not each.is_emulator} == {"aws_default"}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (f'{{"conn_type": "aws", "password": "{SECRET}"', "malformed JSON"),
        (f'{{"password": "{SECRET}"}}', "no conn_type"),
        (SECRET, "not a valid connection"),
    ],
)
def test_broken_connection(load: Load, value: str, why: str) -> None:
    """A broken connection is named, and its secret is not shown."""
    with pytest.raises(UserError) as error:
        load(f"AIRFLOW_CONN_SNOWFLAKE_DEFAULT='{value}'\n")
    assert why in error.value.what
    assert "AIRFLOW_CONN_SNOWFLAKE_DEFAULT" in str(error.value)
    assert SECRET not in str(error.value)


def test_uri(load: Load) -> None:
    """A connection may be a URI."""
    settings = load("AIRFLOW_CONN_MINE=postgresql://me:secret@host/db\n")
    assert [each.conn_type for each in settings.connections if each.conn_id == "mine"] == ["postgresql"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("AIRFLOW_PORT=http\n", "AIRFLOW_PORT"),
        ("AIRFLOW_PORT=70000\n", "AIRFLOW_PORT"),
        ("AIRFLOW_PORT=8090\n", "EMULATORS_PORT and AIRFLOW_PORT"),
        ("ONE=1\nno setting at all\n", "line 2 of"),
        ("ONE='not closed\n", "line 1 of"),
    ],
)
def test_invalid(load: Load, text: str, named: str) -> None:
    """What is wrong in .env is named."""
    with pytest.raises(UserError, match=named):
        load(text)


@pytest.mark.parametrize("name", RETIRED)
def test_retired(load: Load, name: str) -> None:
    """A retired setting is an error with the new name, in .env and in the environment."""
    for text, process in ((f"{name}=1\n", {}), ("", {name: "1"})):
        with pytest.raises(UserError) as error:
            load(text, **process)
        assert error.value.code == "setting-retired"
        assert error.value.fix.endswith(f"set {RETIRED[name]} instead of {name}")


def test_not_text(load: Load) -> None:
    """A .env that is not text is named."""
    with pytest.raises(UserError, match=r"\.env cannot be read"):
        load(b"NAME=\xff\xfe")


def test_no_key(load: Load, checkout: Path) -> None:
    """Only commands that read them do, and those survive a path with blanks and quotes."""
    commands = {name: value for name, value in load().environment.items() if name.endswith("_CMD")}
    assert {name.split("__")[2] for name in commands} == {"FERNET_KEY_CMD", "JWT_SECRET_CMD", "SECRET_KEY_CMD"}
    odd = checkout / "it's a path"
    (odd / ".run/keys").mkdir(parents=True)
    (odd / ".run/keys/fernet_key").write_text("the key")
    command = Settings.load(odd, {}).from_backend["AIRFLOW__CORE__FERNET_KEY_CMD"]
    assert subprocess.run(command, shell=True, capture_output=True, check=True).stdout == b"the key"  # noqa: S602 as Airflow does


def test_base_url(load: Load) -> None:
    """Airflow 3.0.6 glues links to logs onto it."""
    assert load().environment["AIRFLOW__API__BASE_URL"].endswith("/")


def test_sockets() -> None:
    """The sockets' path is short also where the checkout's is long."""
    short, long = Path("/home/me/workbench"), Path("/home/me") / ("x" * 100)
    assert Settings(short, {}, {}).sockets == short / ".run/sockets"
    for settings in (Settings(short, {}, {}), Settings(long, {}, {})):
        assert len(str(settings.sockets)) <= LONGEST_SOCKET_FOLDER
    assert Settings(long, {}, {}).sockets != Settings(long.with_name("y" * 100), {}, {}).sockets


def test_shell(load: Load) -> None:
    """Inside `./dev shell`, an edit of .env still counts."""
    from workbench.cli.backends.native.backend import shell_environment  # noqa: PLC0415

    exported = dict(shell_environment(load("AIRFLOW_PORT=8181\n")))
    settings = load("AIRFLOW_PORT=8282\n", **exported, AIRFLOW_VAR_TYPED="in the shell")
    assert settings.port == 8282
    assert settings.environment["AIRFLOW_VAR_TYPED"] == "in the shell"


def test_reasons() -> None:
    """A comment stands above each block of settings."""
    for name in ("airflow.env", "emulators.env", "limits.env"):
        blocks = (Path(__file__).parents[3] / "compose" / name).read_text().split("\n\n")
        assert not [block for block in blocks if block.strip() and not block.strip().startswith("#")]


def test_example(load: Load) -> None:
    """.env.example sets nothing, and is valid when all of it is uncommented."""
    example = Path(__file__).parents[3] / ".env.example"
    assert read_env(example) == {}
    settings = load(re.sub(r"^#(?=[A-Z_]+=)", "", example.read_text(), flags=re.MULTILINE))
    emulators = {each.conn_id for each in settings.connections if each.is_emulator}
    assert not emulators & {"aws_default", "google_cloud_default", "slack_api_default", "snowflake_default"}

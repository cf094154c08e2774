"""What a user writes in `.env` reaches Airflow, and what is wrong in it is told without a secret."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workbench.cli.settings import LONGEST_SOCKET_FOLDER, Settings, read_env
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    Load = Callable[..., Settings]

SECRET = "sesame-open"


def test_nothing_set_means_the_stand_ins_and_the_documented_ports(checkout: Path) -> None:
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


def test_the_stand_ins_ports_follow_the_first_and_reach_the_connections(load: Load) -> None:
    settings = load("EMULATORS_PORT=9000\n")
    assert settings.ports["EMULATORS_S3_PORT"] == 9001
    aws = json.loads(settings.environment["AIRFLOW_CONN_AWS_DEFAULT"])
    assert aws["extra"]["endpoint_url"] == "http://127.0.0.1:9001"
    snowflake = json.loads(settings.environment["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
    assert snowflake["extra"]["port"] == 9002


def test_a_users_proxy_is_never_asked_for_what_is_on_this_machine(load: Load) -> None:
    environment = load("HTTPS_PROXY=http://proxy.corp:3128\nNO_PROXY=.corp\n").environment
    assert environment["HTTPS_PROXY"] == "http://proxy.corp:3128"
    assert environment["NO_PROXY"] == environment["no_proxy"] == ".corp,127.0.0.1,localhost"


def test_every_default_is_filled_in(load: Load) -> None:
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
def test_env_files_of_all_editors_are_understood(load: Load, text: bytes) -> None:
    settings = load(text)
    assert settings.port == 8181
    assert settings.environment["TELECOMS_LAKE_BUCKET"] == "lake # 1"


def test_a_value_is_taken_as_it_stands(load: Load) -> None:
    assert load("AIRFLOW_VAR_TEXT='${HOME} $5'\n").environment["AIRFLOW_VAR_TEXT"] == "${HOME} $5"


def test_the_process_environment_wins_over_env_and_env_over_the_defaults(load: Load) -> None:
    text = "AIRFLOW__CORE__PARALLELISM=3\nAIRFLOW__API__WORKERS=2\n"
    settings = load(text, AIRFLOW__CORE__PARALLELISM="5")
    assert settings.environment["AIRFLOW__CORE__PARALLELISM"] == "5"
    assert settings.environment["AIRFLOW__API__WORKERS"] == "2"


def test_what_the_place_decides_cannot_be_taken_from_another_airflow(load: Load, checkout: Path) -> None:
    settings = load(AIRFLOW_HOME="/elsewhere", PYTHONPATH="/elsewhere", VIRTUAL_ENV="/elsewhere")
    assert settings.environment["AIRFLOW_HOME"] == str(checkout / ".run/airflow")
    assert settings.environment["PYTHONPATH"] == str(checkout)
    assert "VIRTUAL_ENV" not in settings.environment


def test_a_connection_of_the_users_replaces_one_stand_in_and_no_other(load: Load) -> None:
    settings = load('AIRFLOW_CONN_AWS_DEFAULT=\'{"conn_type": "aws"}\'\n')
    assert {each.conn_id for each in settings.connections if not each.is_emulator} == {"aws_default"}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (f'{{"conn_type": "aws", "password": "{SECRET}"', "malformed JSON"),
        (f'{{"password": "{SECRET}"}}', "no conn_type"),
        (SECRET, "no connection"),
    ],
)
def test_a_broken_connection_is_named_and_its_secret_is_not_shown(load: Load, value: str, why: str) -> None:
    with pytest.raises(UserError) as error:
        load(f"AIRFLOW_CONN_SNOWFLAKE_DEFAULT='{value}'\n")
    assert why in error.value.what
    assert "AIRFLOW_CONN_SNOWFLAKE_DEFAULT" in str(error.value)
    assert SECRET not in str(error.value)


def test_a_connection_may_be_a_uri(load: Load) -> None:
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
def test_what_is_wrong_in_env_is_named(load: Load, text: str, named: str) -> None:
    with pytest.raises(UserError, match=named):
        load(text)


def test_a_setting_that_is_not_text_is_named(load: Load) -> None:
    with pytest.raises(UserError, match=r"\.env cannot be read"):
        load(b"NAME=\xff\xfe")


def test_the_settings_hold_no_machine_made_key(load: Load, checkout: Path) -> None:
    """Only commands that read them do, and those survive a path with blanks and quotes."""
    commands = {name: value for name, value in load().environment.items() if name.endswith("_CMD")}
    assert {name.split("__")[2] for name in commands} == {"FERNET_KEY_CMD", "JWT_SECRET_CMD", "SECRET_KEY_CMD"}
    odd = checkout / "it's a place"
    (odd / ".run/keys").mkdir(parents=True)
    (odd / ".run/keys/fernet_key").write_text("the key")
    command = Settings.load(odd, {}).place["AIRFLOW__CORE__FERNET_KEY_CMD"]
    assert subprocess.run(command, shell=True, capture_output=True, check=True).stdout == b"the key"  # noqa: S602 as Airflow does


def test_base_url_ends_in_a_slash(load: Load) -> None:
    """Airflow 3.0.6 glues links to logs onto it."""
    assert load().environment["AIRFLOW__API__BASE_URL"].endswith("/")


def test_sockets_have_a_short_place_where_the_checkout_has_a_long_one() -> None:
    short, long = Path("/home/me/workbench"), Path("/home/me") / ("x" * 100)
    assert Settings(short, {}, {}).sockets == short / ".run/sockets"
    for settings in (Settings(short, {}, {}), Settings(long, {}, {})):
        assert len(str(settings.sockets)) <= LONGEST_SOCKET_FOLDER
    assert Settings(long, {}, {}).sockets != Settings(long.with_name("y" * 100), {}, {}).sockets


def test_inside_the_shell_an_edit_of_env_still_counts(load: Load) -> None:
    from workbench.cli.backends.native.backend import shell_environment  # noqa: PLC0415

    exported = dict(shell_environment(load("AIRFLOW_PORT=8181\n")))
    settings = load("AIRFLOW_PORT=8282\n", **exported, AIRFLOW_VAR_TYPED="in the shell")
    assert settings.port == 8282
    assert settings.environment["AIRFLOW_VAR_TYPED"] == "in the shell"


def test_every_setting_in_the_files_has_a_reason_beside_it() -> None:
    """A comment stands above each block of settings."""
    for name in ("airflow.env", "emulators.env", "limits.env"):
        blocks = (Path(__file__).parents[3] / "compose" / name).read_text().split("\n\n")
        assert not [block for block in blocks if block.strip() and not block.strip().startswith("#")]


def test_the_example_sets_nothing_and_is_right_when_all_of_it_is_taken(load: Load) -> None:
    example = Path(__file__).parents[3] / ".env.example"
    assert read_env(example) == {}
    settings = load(re.sub(r"^#(?=[A-Z_]+=)", "", example.read_text(), flags=re.MULTILINE))
    emulators = {each.conn_id for each in settings.connections if each.is_emulator}
    assert not emulators & {"aws_default", "google_cloud_default", "slack_api_default", "snowflake_default"}

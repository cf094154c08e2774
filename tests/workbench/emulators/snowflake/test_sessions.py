"""Sessions: logging in and out, what one sees of another, and clients that vanish."""

# ruff: noqa: S608 -- the names are the test's own

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from snowflake.connector.errors import DatabaseError, ProgrammingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snowflake.connector import SnowflakeConnection

    from workbench.emulators import Connections

ROOT = Path(__file__).parents[4]


def run(connection: SnowflakeConnection, *statements: str) -> list[Any]:
    """The rows of the last of several statements."""
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    return cursor.fetchall()


def post(to: Connections, path: str, body: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    """One request of the protocol, without the connector."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f'Snowflake Token="{token}"'
    request = urllib.request.Request(
        f"https://{to.snowflake_host}:{to.snowflake_port}{path}", json.dumps(body).encode(), headers
    )
    context = ssl.create_default_context(cafile=str(to.ca_bundle))
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:  # noqa: S310 -- as above
        return json.load(answer)


def login(to: Connections) -> str:
    """A session token."""
    data = {"LOGIN_NAME": "workbench", "PASSWORD": "offline"}
    return post(to, "/session/v1/login-request?databaseName=TELECOMS", {"data": data})["data"]["token"]


@pytest.fixture(scope="session")
def impatient(running: Connections, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connections]:
    """An emulator that loses patience within seconds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [ROOT / ".venv-emulators/bin/python", Path(__file__).with_name("impatient.py")]
    data = tmp_path_factory.mktemp("impatient")
    process = subprocess.Popen([*command, data, running.keys, str(port)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    there = replace(running, snowflake_port=port)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            login(there)
            break
        time.sleep(0.05)
    try:
        yield there
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"user": "nobody"}])
def test_a_wrong_login_is_refused_at_once(connect: Callable[..., Any], wrong: dict[str, str]) -> None:
    with pytest.raises(DatabaseError, match="Incorrect username or password was specified"):
        connect(**wrong)


def test_the_number_of_a_refused_login_is_snowflakes(running: Connections) -> None:
    answer = post(running, "/session/v1/login-request", {"data": {"LOGIN_NAME": "x", "PASSWORD": "y"}})
    assert (answer["success"], answer["code"]) == (False, "390100")


def test_a_token_of_no_session_is_refused_at_once(running: Connections) -> None:
    """The connector gives up at this number; it would repeat an HTTP error for minutes."""
    answer = post(running, "/queries/v1/query-request", {"sqlText": "SELECT 1"}, "made-up")
    assert (answer["success"], answer["code"]) == (False, "390111")


def test_no_token_is_refused_at_once(running: Connections) -> None:
    assert post(running, "/queries/v1/query-request", {"sqlText": "SELECT 1"})["code"] == "390103"


def test_an_unknown_endpoint_is_an_error_of_the_protocol(running: Connections) -> None:
    answer = post(running, "/api/v2/statements", {"statement": "SELECT 1"})
    assert answer["code"] == "000002"
    assert "/api/v2/statements" in answer["message"]


def test_a_session_of_a_restarted_server_fails_fast(connect: Callable[..., Any], running: Connections) -> None:
    """As if the server had forgotten it: the statement fails instead of being repeated."""
    connection = connect()
    token = connection.rest.token
    post(running, "/session?delete=true", {}, token)
    with pytest.raises(ProgrammingError, match="Session no longer exists"):
        connection.cursor().execute("SELECT 1")


def test_logging_in_to_no_database_leaves_the_session_without_one(connect: Callable[..., Any]) -> None:
    connection = connect(database="nowhere", schema="raw")
    assert run(connection, "SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()") == [(None, None)]
    with pytest.raises(ProgrammingError, match="090105"):
        run(connection, "SELECT * FROM t")


def test_a_temporary_table_is_the_sessions_own(connect: Callable[..., Any], schema: str) -> None:
    one, other = connect(schema=schema), connect(schema=schema)
    run(one, "CREATE TEMPORARY TABLE t AS SELECT 1 AS a")
    with pytest.raises(ProgrammingError, match="does not exist"):
        run(other, "SELECT * FROM t")
    run(other, "CREATE TEMPORARY TABLE t AS SELECT 2 AS a")
    assert (run(one, "SELECT a FROM t"), run(other, "SELECT a FROM t")) == ([(1,)], [(2,)])
    one.close()
    assert run(connect(schema=schema), "SHOW TABLES") == []


def test_a_rolled_back_change_was_never_seen(connect: Callable[..., Any], schema: str) -> None:
    one, other = connect(schema=schema), connect(schema=schema)
    run(one, "CREATE TABLE t (a INT)", "BEGIN", "INSERT INTO t VALUES (1)")
    assert run(other, "SELECT COUNT(*) FROM t") == [(0,)]
    run(one, "ROLLBACK")
    assert run(one, "SELECT COUNT(*) FROM t") == [(0,)]


def test_without_autocommit_a_change_waits_for_commit(connect: Callable[..., Any], schema: str) -> None:
    one, other = connect(schema=schema, autocommit=False), connect(schema=schema)
    run(one, "CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)")
    assert run(other, "SELECT COUNT(*) FROM t") == [(0,)]
    one.commit()
    assert run(other, "SELECT COUNT(*) FROM t") == [(1,)]
    run(one, "INSERT INTO t VALUES (2)")
    one.rollback()
    assert run(one, "SELECT COUNT(*) FROM t") == [(1,)]


def test_logging_out_rolls_back(connect: Callable[..., Any], schema: str) -> None:
    one, other = connect(schema=schema), connect(schema=schema)
    run(one, "CREATE TABLE t (a INT)", "BEGIN", "INSERT INTO t VALUES (1)")
    one.close()
    run(other, "INSERT INTO t VALUES (2)")
    assert run(other, "SELECT * FROM t") == [(2,)]


def test_writers_of_one_table_wait_for_each_other(connect: Callable[..., Any], schema: str) -> None:
    one, other = connect(schema=schema), connect(schema=schema)
    run(one, "CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)", "BEGIN", "UPDATE t SET a = a + 1")
    waiting = threading.Thread(target=run, args=(other, "UPDATE t SET a = a * 10"))
    waiting.start()
    run(one, "UPDATE t SET a = a + 1", "COMMIT")
    waiting.join(30)
    assert run(one, "SELECT a FROM t") == [(30,)]


def test_temporary_tables_of_one_name_do_not_wait_for_each_other(connect: Callable[..., Any], schema: str) -> None:
    one, other = connect(schema=schema), connect(schema=schema)
    run(other, "ALTER SESSION SET LOCK_TIMEOUT = 0")
    for connection in (one, other):
        run(connection, "CREATE TEMPORARY TABLE t (a INT)", "BEGIN", "INSERT INTO t VALUES (1)")
    assert [run(connection, "SELECT * FROM t") for connection in (one, other)] == [[(1,)], [(1,)]]


def test_a_deadlock_is_an_error_of_one(connect: Callable[..., Any], schema: str) -> None:
    """Of two that wait for each other one fails; when it has rolled back, the other goes on."""
    one, other = connect(schema=schema), connect(schema=schema)
    run(one, "CREATE TABLE t (a INT)", "CREATE TABLE u (a INT)", "BEGIN", "INSERT INTO t VALUES (1)")
    run(other, "BEGIN", "INSERT INTO u VALUES (1)")
    with ThreadPoolExecutor() as pool:
        attempts = {pool.submit(run, one, "INSERT INTO u VALUES (2)"): one}
        attempts[pool.submit(run, other, "INSERT INTO t VALUES (2)")] = other
        finished = as_completed(attempts, timeout=60)
        victim = next(finished)
        with pytest.raises(ProgrammingError, match="000625"):
            victim.result()
        run(attempts[victim], "ROLLBACK")
        assert next(finished).result() == [(1,)]


def test_eight_sessions_at_once(connect: Callable[..., Any], schema: str) -> None:
    """Forty statements each, on a table of their own and on one that all write to; none fails, none is lost."""
    run(connect(schema=schema), "CREATE TABLE shared (who INT, n INT)")

    def work(who: int) -> None:
        connection = connect(schema=schema)
        run(connection, f"CREATE OR REPLACE TABLE own{who} (n INT)")
        for n in range(9):
            run(
                connection,
                f"INSERT INTO own{who} VALUES ({n})",
                f"MERGE INTO shared USING (SELECT {who} AS who, {n} AS n) s ON shared.who = s.who "
                "WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT VALUES (s.who, s.n)",
                "SELECT COUNT(*) FROM shared",
                "CREATE OR REPLACE TEMPORARY TABLE mine AS SELECT 1 AS a",
            )
        assert run(connection, f"SELECT COUNT(*) FROM own{who}") == [(9,)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert run(connect(schema=schema), "SELECT COUNT(*), SUM(n) FROM shared") == [(8, 64)]


def test_a_repeated_request_runs_once(running: Connections, connect: Callable[..., Any], schema: str) -> None:
    """The connector sends a statement again under the same id when the line breaks."""
    run(connect(schema=schema), "CREATE TABLE t (a INT)")
    token = login(running)
    path = "/queries/v1/query-request?requestId=the-same"
    for _ in range(3):
        answer = post(running, path, {"sqlText": f"INSERT INTO {schema}.t VALUES (1)"}, token)
        assert answer["success"], answer
    assert run(connect(schema=schema), "SELECT COUNT(*) FROM t") == [(1,)]


def test_several_statements_in_one_request(connect: Callable[..., Any]) -> None:
    cursor = connect().cursor()
    cursor.execute("SELECT 1; SELECT 'a;b'; SELECT 3", num_statements=3)
    found = [cursor.fetchall()]
    while cursor.nextset():
        found.append(cursor.fetchall())
    assert found == [[(1,)], [("a;b",)], [(3,)]]


def test_a_cancelled_statement_ends(connect: Callable[..., Any]) -> None:
    """The client's own timeout; the session works on."""
    connection = connect()
    with pytest.raises(ProgrammingError, match="canceled"):
        connection.cursor().execute(ENDLESS, timeout=1)
    assert run(connection, "SELECT 1") == [(1,)]


ENDLESS = (
    "SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 10000000)) a, TABLE(GENERATOR(ROWCOUNT => 10000000)) b "
    "WHERE RANDOM() = 1"
)


def test_a_statement_reaches_its_timeout(connect: Callable[..., Any]) -> None:
    connection = connect()
    run(connection, "ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 1")
    with pytest.raises(
        ProgrammingError, match=r"000630 .*Statement reached its statement or warehouse timeout of 1 second"
    ):
        run(connection, ENDLESS)
    assert run(connection, "SELECT 1") == [(1,)]


def test_waiting_for_a_table_can_be_limited(connect: Callable[..., Any], schema: str) -> None:
    one, other = connect(schema=schema), connect(schema=schema)
    run(one, "CREATE TABLE t (a INT)", "BEGIN", "INSERT INTO t VALUES (1)")
    run(other, "ALTER SESSION SET LOCK_TIMEOUT = 1")
    with pytest.raises(ProgrammingError, match=r"000625 .*locked"):
        run(other, "INSERT INTO t VALUES (2)")
    run(one, "ROLLBACK")
    run(other, "INSERT INTO t VALUES (2)")


def test_a_statement_outlives_the_patience_of_a_request(impatient: Connections, connecting: Callable[..., Any]) -> None:
    """After a while the answer is where to ask for it, and the connector asks there."""
    with connecting(impatient) as connection:
        started = time.monotonic()
        assert run(connection, "SELECT SYSTEM$WAIT(2)") == [("waited 2 seconds",)]
        assert time.monotonic() - started >= 2


def test_a_killed_client_blocks_nobody(impatient: Connections, connecting: Callable[..., Any]) -> None:
    """Killed in the middle of a transaction: the next writer gets the table, and nothing of it is kept."""
    program = f"""
        import os, snowflake.connector
        connection = snowflake.connector.connect(
            user="workbench", password="offline", account="offline", host="{impatient.snowflake_host}",
            port={impatient.snowflake_port}, database="TELECOMS", schema="PUBLIC", disable_ocsp_checks=True,
        )
        cursor = connection.cursor()
        for statement in ("CREATE OR REPLACE TABLE t (a INT)", "BEGIN", "INSERT INTO t VALUES (1)"):
            cursor.execute(statement)
        os.kill(os.getpid(), 9)
    """
    environment = os.environ | {"REQUESTS_CA_BUNDLE": str(impatient.ca_bundle)}
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, check=False)
    assert killed.returncode == -9
    with connecting(impatient, schema="PUBLIC") as connection:
        run(connection, "INSERT INTO t VALUES (2)")
        assert run(connection, "SELECT * FROM t") == [(2,)]


def test_a_silent_session_ends(impatient: Connections, connecting: Callable[..., Any]) -> None:
    """And with it what was its own, such as a temporary stage."""
    token = login(impatient)
    stage = "CREATE TEMPORARY STAGE PUBLIC.silent URL = 's3://telecoms-lake/'"
    assert post(impatient, "/queries/v1/query-request", {"sqlText": stage}, token)["success"]
    with connecting(impatient) as connection:
        deadline = time.monotonic() + 30
        while run(connection, "SHOW STAGES LIKE 'silent' IN SCHEMA telecoms.public"):
            assert time.monotonic() < deadline, "the silent session is still there"
            time.sleep(0.1)
    assert post(impatient, "/session/heartbeat", {}, token)["code"] == "390111"


def test_a_transaction_that_gave_way_says_so(impatient: Connections, connecting: Callable[..., Any]) -> None:
    """Its later statements are refused until it is ended, so that half of it is never committed."""
    with connecting(impatient, schema="PUBLIC") as idle, connecting(impatient, schema="PUBLIC") as waiting:
        run(idle, "CREATE OR REPLACE TABLE u (a INT)", "BEGIN", "INSERT INTO u VALUES (1)")
        run(waiting, "INSERT INTO u VALUES (2)")
        for statement in ("INSERT INTO u VALUES (3)", "COMMIT"):
            with pytest.raises(ProgrammingError, match=r"000625 .*was rolled back"):
                run(idle, statement)
        assert run(idle, "SELECT * FROM u") == [(2,)]

"""Sessions: login and logout, isolation of transactions, and clients that disappear."""

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
    """Run statements and return the rows of the last one."""
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    return cursor.fetchall()


def post(to: Connections, path: str, body: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    """Send one request of the protocol, without the connector."""
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
    """Return a session token."""
    data = {"LOGIN_NAME": "workbench", "PASSWORD": "offline"}
    return post(to, "/session/v1/login-request?databaseName=TELECOMS", {"data": data})["data"]["token"]


@pytest.fixture(scope="session")
def short_timeouts(running: Connections, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connections]:
    """An emulator whose timeouts are seconds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [ROOT / ".venv-emulators/bin/python", Path(__file__).with_name("short_timeouts.py")]
    data = tmp_path_factory.mktemp("short_timeouts")
    process = subprocess.Popen([*command, data, running.keys, str(port)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    connections = replace(running, snowflake_port=port)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            login(connections)
            break
        time.sleep(0.05)
    try:
        yield connections
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"user": "nobody"}])
def test_wrong_login(connect: Callable[..., Any], wrong: dict[str, str]) -> None:
    """A wrong login is refused at once."""
    with pytest.raises(DatabaseError, match="Incorrect username or password was specified"):
        connect(**wrong)


def test_wrong_login_number(running: Connections) -> None:
    """A refused login has Snowflake's number."""
    answer = post(running, "/session/v1/login-request", {"data": {"LOGIN_NAME": "x", "PASSWORD": "y"}})
    assert (answer["success"], answer["code"]) == (False, "390100")


def test_unknown_token(running: Connections) -> None:
    """An unknown token is refused at once, with the number at which the connector gives up; it retries HTTP errors."""
    answer = post(running, "/queries/v1/query-request", {"sqlText": "SELECT 1"}, "made-up")
    assert (answer["success"], answer["code"]) == (False, "390111")


def test_no_token(running: Connections) -> None:
    """A request without a token is refused at once."""
    assert post(running, "/queries/v1/query-request", {"sqlText": "SELECT 1"})["code"] == "390103"


def test_unknown_endpoint(running: Connections) -> None:
    """An unknown endpoint is an error of the protocol, which names it."""
    answer = post(running, "/api/v2/statements", {"statement": "SELECT 1"})
    assert answer["code"] == "000002"
    assert "/api/v2/statements" in answer["message"]


def test_restarted_server(connect: Callable[..., Any], running: Connections) -> None:
    """A session that the server does not know, as after a restart, fails at once and is not retried."""
    connection = connect()
    token = connection.rest.token
    post(running, "/session?delete=true", {}, token)
    with pytest.raises(ProgrammingError, match="Session no longer exists"):
        connection.cursor().execute("SELECT 1")


def test_unknown_database(connect: Callable[..., Any]) -> None:
    """A login to a database that does not exist leaves the session without one."""
    connection = connect(database="nowhere", schema="raw")
    assert run(connection, "SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()") == [(None, None)]
    with pytest.raises(ProgrammingError, match="090105"):
        run(connection, "SELECT * FROM t")


def test_temporary_table(connect: Callable[..., Any], schema: str) -> None:
    """A temporary table is private to its session."""
    one, other = connect(schema=schema), connect(schema=schema)
    run(one, "CREATE TEMPORARY TABLE t AS SELECT 1 AS a")
    with pytest.raises(ProgrammingError, match="does not exist"):
        run(other, "SELECT * FROM t")
    run(other, "CREATE TEMPORARY TABLE t AS SELECT 2 AS a")
    assert (run(one, "SELECT a FROM t"), run(other, "SELECT a FROM t")) == ([(1,)], [(2,)])
    one.close()
    assert run(connect(schema=schema), "SHOW TABLES") == []


def test_rollback(connect: Callable[..., Any], schema: str) -> None:
    """A change that is rolled back is never visible to another session."""
    one, other = connect(schema=schema), connect(schema=schema)
    run(one, "CREATE TABLE t (a INT)", "BEGIN", "INSERT INTO t VALUES (1)")
    assert run(other, "SELECT COUNT(*) FROM t") == [(0,)]
    run(one, "ROLLBACK")
    assert run(one, "SELECT COUNT(*) FROM t") == [(0,)]


def test_autocommit_off(connect: Callable[..., Any], schema: str) -> None:
    """Without autocommit a change is visible after COMMIT only."""
    one, other = connect(schema=schema, autocommit=False), connect(schema=schema)
    run(one, "CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)")
    assert run(other, "SELECT COUNT(*) FROM t") == [(0,)]
    one.commit()
    assert run(other, "SELECT COUNT(*) FROM t") == [(1,)]
    run(one, "INSERT INTO t VALUES (2)")
    one.rollback()
    assert run(one, "SELECT COUNT(*) FROM t") == [(1,)]


def test_logout(connect: Callable[..., Any], schema: str) -> None:
    """A logout rolls back the open transaction."""
    one, other = connect(schema=schema), connect(schema=schema)
    run(one, "CREATE TABLE t (a INT)", "BEGIN", "INSERT INTO t VALUES (1)")
    one.close()
    run(other, "INSERT INTO t VALUES (2)")
    assert run(other, "SELECT * FROM t") == [(2,)]


def test_writers_wait(connect: Callable[..., Any], schema: str) -> None:
    """Two writers of one table wait for each other."""
    one, other = connect(schema=schema), connect(schema=schema)
    run(one, "CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)", "BEGIN", "UPDATE t SET a = a + 1")
    waiting = threading.Thread(target=run, args=(other, "UPDATE t SET a = a * 10"))
    waiting.start()
    run(one, "UPDATE t SET a = a + 1", "COMMIT")
    waiting.join(30)
    assert run(one, "SELECT a FROM t") == [(30,)]


def test_temporary_tables(connect: Callable[..., Any], schema: str) -> None:
    """Temporary tables of the same name do not wait for each other."""
    one, other = connect(schema=schema), connect(schema=schema)
    run(other, "ALTER SESSION SET LOCK_TIMEOUT = 0")
    for connection in (one, other):
        run(connection, "CREATE TEMPORARY TABLE t (a INT)", "BEGIN", "INSERT INTO t VALUES (1)")
    assert [run(connection, "SELECT * FROM t") for connection in (one, other)] == [[(1,)], [(1,)]]


def test_deadlock(connect: Callable[..., Any], schema: str) -> None:
    """Of two sessions that wait for each other one fails; once it has rolled back, the other continues."""
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


def test_eight_sessions(connect: Callable[..., Any], schema: str) -> None:
    """Eight sessions run forty statements each, on their own table and on a shared one: none fails, none is lost."""
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


def test_repeated_request(running: Connections, connect: Callable[..., Any], schema: str) -> None:
    """A repeated request runs once: after a broken connection the connector sends the same request id."""
    run(connect(schema=schema), "CREATE TABLE t (a INT)")
    token = login(running)
    path = "/queries/v1/query-request?requestId=the-same"
    for _ in range(3):
        answer = post(running, path, {"sqlText": f"INSERT INTO {schema}.t VALUES (1)"}, token)
        assert answer["success"], answer
    assert run(connect(schema=schema), "SELECT COUNT(*) FROM t") == [(1,)]


def test_several_statements(connect: Callable[..., Any]) -> None:
    """One request may hold several statements."""
    cursor = connect().cursor()
    cursor.execute("SELECT 1; SELECT 'a;b'; SELECT 3", num_statements=3)
    found = [cursor.fetchall()]
    while cursor.nextset():
        found.append(cursor.fetchall())
    assert found == [[(1,)], [("a;b",)], [(3,)]]


def test_cancel(connect: Callable[..., Any]) -> None:
    """A statement ends at the client's timeout, and the session stays usable."""
    connection = connect()
    with pytest.raises(ProgrammingError, match="canceled"):
        connection.cursor().execute(ENDLESS, timeout=1)
    assert run(connection, "SELECT 1") == [(1,)]


ENDLESS = (
    "SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 10000000)) a, TABLE(GENERATOR(ROWCOUNT => 10000000)) b "
    "WHERE RANDOM() = 1"
)


def test_statement_timeout(connect: Callable[..., Any]) -> None:
    """A statement ends at STATEMENT_TIMEOUT_IN_SECONDS."""
    connection = connect()
    run(connection, "ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 1")
    with pytest.raises(
        ProgrammingError, match=r"000630 .*Statement reached its statement or warehouse timeout of 1 second"
    ):
        run(connection, ENDLESS)
    assert run(connection, "SELECT 1") == [(1,)]


def test_lock_timeout(connect: Callable[..., Any], schema: str) -> None:
    """LOCK_TIMEOUT limits the wait for a table."""
    one, other = connect(schema=schema), connect(schema=schema)
    run(one, "CREATE TABLE t (a INT)", "BEGIN", "INSERT INTO t VALUES (1)")
    run(other, "ALTER SESSION SET LOCK_TIMEOUT = 1")
    with pytest.raises(ProgrammingError, match=r"000625 .*locked"):
        run(other, "INSERT INTO t VALUES (2)")
    run(one, "ROLLBACK")
    run(other, "INSERT INTO t VALUES (2)")


def test_long_statement(short_timeouts: Connections, connecting: Callable[..., Any]) -> None:
    """A statement that outlasts a request is answered with a URL, which the connector asks."""
    with connecting(short_timeouts) as connection:
        started = time.monotonic()
        assert run(connection, "SELECT SYSTEM$WAIT(2)") == [("waited 2 seconds",)]
        assert time.monotonic() - started >= 2


def test_killed_client(short_timeouts: Connections, connecting: Callable[..., Any]) -> None:
    """A client killed during a transaction blocks no other, and nothing of the transaction is kept."""
    program = f"""
        import os, snowflake.connector
        connection = snowflake.connector.connect(
            user="workbench", password="offline", account="offline", host="{short_timeouts.snowflake_host}",
            port={short_timeouts.snowflake_port}, database="TELECOMS", schema="PUBLIC", disable_ocsp_checks=True,
        )
        cursor = connection.cursor()
        for statement in ("CREATE OR REPLACE TABLE t (a INT)", "BEGIN", "INSERT INTO t VALUES (1)"):
            cursor.execute(statement)
        os.kill(os.getpid(), 9)
    """
    environment = os.environ | {"REQUESTS_CA_BUNDLE": str(short_timeouts.ca_bundle)}
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, check=False)
    assert killed.returncode == -9
    with connecting(short_timeouts, schema="PUBLIC") as connection:
        run(connection, "INSERT INTO t VALUES (2)")
        assert run(connection, "SELECT * FROM t") == [(2,)]


def test_idle_session(short_timeouts: Connections, connecting: Callable[..., Any]) -> None:
    """An idle session ends, with its temporary objects."""
    token = login(short_timeouts)
    stage = "CREATE TEMPORARY STAGE PUBLIC.silent URL = 's3://telecoms-lake/'"
    assert post(short_timeouts, "/queries/v1/query-request", {"sqlText": stage}, token)["success"]
    with connecting(short_timeouts) as connection:
        deadline = time.monotonic() + 30
        while run(connection, "SHOW STAGES LIKE 'silent' IN SCHEMA telecoms.public"):
            assert time.monotonic() < deadline, "the silent session is still there"
            time.sleep(0.1)
    assert post(short_timeouts, "/session/heartbeat", {}, token)["code"] == "390111"


def test_idle_transaction(short_timeouts: Connections, connecting: Callable[..., Any]) -> None:
    """A transaction rolled back for another session refuses later statements until it ends, so no half is committed."""
    with connecting(short_timeouts, schema="PUBLIC") as idle, connecting(short_timeouts, schema="PUBLIC") as waiting:
        run(idle, "CREATE OR REPLACE TABLE u (a INT)", "BEGIN", "INSERT INTO u VALUES (1)")
        run(waiting, "INSERT INTO u VALUES (2)")
        for statement in ("INSERT INTO u VALUES (3)", "COMMIT"):
            with pytest.raises(ProgrammingError, match=r"000625 .*was rolled back"):
                run(idle, statement)
        assert run(idle, "SELECT * FROM u") == [(2,)]

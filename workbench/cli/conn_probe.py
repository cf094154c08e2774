"""`python -m workbench.cli.conn_probe CONN_ID CONN_TYPE`: one real call through a connection; one line of result."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: Scopes of which Slack requires one for a message; the second is that of older apps.
MAY_POST = {"chat:write", "chat:write:bot"}


class RefusedError(Exception):
    """The service answered, and its answer is not enough; the text is for the user."""


def main(conn_id: str, conn_type: str) -> int:
    """Make the call.

    :param conn_type: one of `PROBES`.
    :return: 0 where it worked; the last line of standard output is what the service answered.
    """
    from common.errors import AccessRefusedError  # noqa: PLC0415 only this process has the pipeline's environment

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    try:
        print(PROBES[conn_type](conn_id))
    except Exception as error:  # noqa: BLE001 any error of a vendor's client is the answer
        text = " ".join(str(error).split())
        print(text if isinstance(error, (RefusedError, AccessRefusedError)) else f"{type(error).__name__}: {text}")
        return 1
    return 0


def aws(conn_id: str) -> str:
    """Ask STS for the account, and S3 for one key of the lake."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook  # noqa: PLC0415 a second each
    from airflow.providers.amazon.aws.hooks.sts import StsHook  # noqa: PLC0415

    account = StsHook(aws_conn_id=conn_id).get_conn().get_caller_identity()["Account"]
    bucket = os.environ["TELECOMS_LAKE_BUCKET"]
    S3Hook(aws_conn_id=conn_id).get_conn().list_objects_v2(Bucket=bucket, MaxKeys=1)
    return f"account {account}, may list {bucket}"


def snowflake(conn_id: str) -> str:
    """Ask Snowflake for user, role and database."""
    from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook  # noqa: PLC0415 two seconds

    row: Any = SnowflakeHook(snowflake_conn_id=conn_id, login_timeout=20).get_first(
        "SELECT CURRENT_USER(), CURRENT_ROLE(), CURRENT_DATABASE()"
    )
    return "user {}, role {}, database {}".format(*row)


def sheets(conn_id: str) -> str:
    """Ask Google for one cell of the agents' spreadsheet, with the session that the DAGs use."""
    from common.sheets import read_values  # noqa: PLC0415 a second

    spreadsheet = os.environ["TELECOMS_AGENTS_SPREADSHEET_ID"]
    read_values(spreadsheet, "A1", conn_id)
    return f"may read the spreadsheet {spreadsheet}"


def slack(conn_id: str) -> str:
    """Ask Slack for the bot's name and scopes; the scopes are in a header of the answer.

    :raises RefusedError: where the bot cannot post an alert, with the fix.
    """
    from airflow.providers.slack.hooks.slack import SlackHook  # noqa: PLC0415 a second
    from slack_sdk.errors import SlackApiError  # noqa: PLC0415

    from common.alerts.slack import OF_ALL, obey_no_proxy  # noqa: PLC0415

    client = SlackHook(slack_conn_id=conn_id, timeout=20).client
    obey_no_proxy(client)
    try:
        answer = client.auth_test()
    except SlackApiError as error:
        name = error.response.get("error") or f"HTTP {error.response.status_code}"
        raise RefusedError(f"Slack says {name}. {OF_ALL.get(name, '')}") from None
    who = f"{answer.get('user')} in {answer.get('team')}"
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if "x-oauth-scopes" not in headers:
        return f"{who}; Slack did not report its scopes"
    scopes = {each.strip() for each in headers["x-oauth-scopes"].split(",")} - {""}
    if MAY_POST.isdisjoint(scopes):
        had = ", ".join(sorted(scopes)) or "none"
        raise RefusedError(f"{who} lacks the scope chat:write, it has {had}. {OF_ALL['missing_scope']}")
    public = "chat:write.public" in scopes
    return f"{who}, may post to {'every public channel' if public else 'channels that it was invited to'}"


#: Airflow's connection type -> its test. This is the one place where a test is added; without one, `./dev conn --test`
#: lists a connection as "not tested".
PROBES: dict[str, Callable[[str], str]] = {
    "aws": aws,
    "snowflake": snowflake,
    "google_cloud_platform": sheets,
    "slack": slack,
}

if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))

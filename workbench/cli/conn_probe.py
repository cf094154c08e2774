"""`python -m workbench.cli.conn_probe CONN_ID CONN_TYPE`: one real call through a connection; one line of result."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SHEETS = "https://sheets.googleapis.com"
#: Scopes of which Slack wants one for a message; the second is that of older apps.
MAY_POST = {"chat:write", "chat:write:bot"}


class RefusedError(Exception):
    """The other side answered, and it will not do; in words for the user."""


def main(conn_id: str, conn_type: str) -> int:
    """Make the call.

    :return: 0 where it worked; the last line of standard output says what the other side answered.
    """
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    probe = PROBES.get(conn_type)
    if not probe:
        print(f"there is no test for connections of type {conn_type}")
        return 1
    try:
        print(probe(conn_id))
    except Exception as error:  # noqa: BLE001 whatever a vendor's client raises is the answer
        told = " ".join(str(error).split())
        print(told if isinstance(error, RefusedError) else f"{type(error).__name__}: {told}")
        return 1
    return 0


def aws(conn_id: str) -> str:
    """Ask STS who we are, and S3 for one key of the lake."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook  # noqa: PLC0415 a second each
    from airflow.providers.amazon.aws.hooks.sts import StsHook  # noqa: PLC0415

    account = StsHook(aws_conn_id=conn_id).get_conn().get_caller_identity()["Account"]
    bucket = os.environ["TELECOMS_LAKE_BUCKET"]
    S3Hook(aws_conn_id=conn_id).get_conn().list_objects_v2(Bucket=bucket, MaxKeys=1)
    return f"account {account}, may list {bucket}"


def snowflake(conn_id: str) -> str:
    """Ask Snowflake who and where we are."""
    from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook  # noqa: PLC0415 two seconds

    row: Any = SnowflakeHook(snowflake_conn_id=conn_id, login_timeout=20).get_first(
        "SELECT CURRENT_USER(), CURRENT_ROLE(), CURRENT_DATABASE()"
    )
    return "user {}, role {}, database {}".format(*row)


def sheets(conn_id: str) -> str:
    """Ask Google for the agents' spreadsheet, without its cells."""
    from airflow.sdk import Connection  # noqa: PLC0415 a second
    from google.auth.transport.requests import AuthorizedSession  # noqa: PLC0415
    from google.oauth2.service_account import Credentials  # noqa: PLC0415

    extra = Connection.get(conn_id).extra_dejson
    credentials = Credentials.from_service_account_file(extra["key_path"], scopes=extra["scope"].split(","))
    spreadsheet = os.environ["TELECOMS_AGENTS_SPREADSHEET_ID"]
    url = f"{extra.get('api_endpoint') or SHEETS}/v4/spreadsheets/{spreadsheet}"
    answer = AuthorizedSession(credentials).get(url, timeout=20)
    answer.raise_for_status()
    return f"spreadsheet {answer.json()['properties']['title']}"


def slack(conn_id: str) -> str:
    """Ask Slack who we are and what we may do, which stands in a header of its answer.

    :raises RefusedError: where an alert could not be posted, with what fixes it.
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
        return f"{who}; Slack did not say which scopes it has"
    scopes = {each.strip() for each in headers["x-oauth-scopes"].split(",")} - {""}
    if MAY_POST.isdisjoint(scopes):
        had = ", ".join(sorted(scopes)) or "none"
        raise RefusedError(f"{who} lacks the scope chat:write, it has {had}. {OF_ALL['missing_scope']}")
    public = "chat:write.public" in scopes
    return f"{who}, may post to {'every public channel' if public else 'channels that it was invited to'}"


#: Airflow's connection type -> its test.
PROBES: dict[str, Callable[[str], str]] = {
    "aws": aws,
    "snowflake": snowflake,
    "google_cloud_platform": sheets,
    "slack": slack,
}

if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))

"""`python -m workbench.cli.alert_send KIND...`: send samples of alerts as a failed task would; a JSON line each."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import warnings

#: Told apart from real failures where the bot may choose its name (scope chat:write.customize).
USERNAME = "Airflow (sample)"
#: Seconds for each; no task waits for it.
PATIENCE = 25


def main(kinds: list[str]) -> int:
    """Send them until one is not taken.

    :return: 0 where Slack took all; the last line then says what went wrong and what fixes it.
    """
    from common.alerts import slack  # noqa: PLC0415 # only this process needs Airflow
    from workbench.cli import alert_samples  # noqa: PLC0415 # only this process needs Airflow

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    os.environ["AIRFLOW_ALERT_USERNAME"] = USERNAME
    for kind in kinds:
        failure = alert_samples.samples()[kind]
        told = {"kind": kind, "title": failure.title, "channel": slack.channel_of(failure)}
        try:
            slack.send(failure, PATIENCE)
        except slack.UnsentError as unsent:
            print(json.dumps(told | {"sent": False, "why": unsent.what, "fix": unsent.fix}))
            return 1
        print(json.dumps(told | {"sent": True}), flush=True)
    return 0


def warm_up(conn_id: str) -> None:
    """Import all that a message needs before its clock begins: seconds, and on a busy machine more than it has."""
    from airflow.providers.slack.hooks.slack import SlackHook  # noqa: PLC0415 as above
    from airflow.providers.slack.operators.slack import SlackAPIPostOperator  # noqa: F401, PLC0415 as above

    with contextlib.suppress(Exception):  # whatever is wrong with the connection is told of the first message
        _ = SlackHook(slack_conn_id=conn_id).client


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""`python -m workbench.cli.alert_send KIND...`: send samples of alerts as a failed task would; a JSON line each."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings

#: Distinguishes samples from real failures, where the bot may choose its name (scope chat:write.customize).
USERNAME = "Airflow (sample)"
#: For each message; no task waits for it.
TIMEOUT_SECONDS = 25


def main(kinds: list[str]) -> int:
    """Send them until Slack refuses one.

    :return: 0 where Slack took all; else the last line says why not, and what fixes it.
    """
    # Imported before a message's time begins, and only here: this process alone has Airflow's environment.
    from airflow.providers.slack.operators.slack import SlackAPIPostOperator  # noqa: F401, PLC0415 as above

    from common.alerts import slack  # noqa: PLC0415 as above
    from workbench.cli.alert_samples import samples  # noqa: PLC0415 as above

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    os.environ["AIRFLOW_ALERT_USERNAME"] = USERNAME
    for kind in kinds:
        failure = samples()[kind]
        message = {"kind": kind, "title": failure.title, "channel": slack.channel_of(failure)}
        try:
            slack.send(failure, TIMEOUT_SECONDS)
        except slack.UnsentError as unsent:
            print(json.dumps(message | {"sent": False, "why": unsent.what, "fix": unsent.fix}))
            return 1
        print(json.dumps(message | {"sent": True}), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

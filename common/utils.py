"""Tell Slack that a task or a DAG run failed: `task_failure_alert`, and nothing else.

It runs wherever Airflow notices a failure: in the task's process; in the dag-processor, for a task that stopped
answering and for a DAG run; and in `dag.test()`. Each sees another part of the context, so every part is optional.

Environment: AIRFLOW_ALERT_CHANNEL (#alerts), AIRFLOW_ALERT_TO (`slack`, or `log` to only log the message).
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

log = logging.getLogger(__name__)

CONNECTION = "slack_api_default"
#: Seconds: for one request, and for everything, so that a task's state waits no longer.
REQUEST_TIMEOUT, PATIENCE = 5, 14
#: Characters that Block Kit takes in a header, a field and a section (less the code block's own), and of plain text.
HEADER, FIELD, SECTION, TEXT = 150, 1900, 2900, 3000
#: Seconds after which a marker of a told failure may go.
REMEMBER = 7 * 86_400


def task_failure_alert(context: Any) -> None:
    """Post one message for one failed try, or for a DAG run whose failure no task could tell; never raises."""
    try:
        failure = Failure.from_context(context)
        if not _claim(failure):
            return
        _deliver(failure)
    except Exception:
        log.exception("The failure alert itself failed")


@dataclass(frozen=True)
class Failure:
    """What failed, as far as the process that noticed it knows.

    :param task: None for a DAG run.
    :param began: when the DAG run last began, in seconds since 1970.
    """

    dag: str
    run: str
    task: str | None
    map_index: int
    attempt: int
    when: str
    error: str
    began: float

    @classmethod
    def from_context(cls, context: Any) -> Failure:
        """Read a task's or a DAG run's callback context."""
        ti, run = context.get("task_instance") or context.get("ti"), context.get("dag_run")
        reason = context.get("reason")  # only a DAG run's callback has one
        dag = getattr(ti, "dag_id", None) or getattr(context.get("dag"), "dag_id", None)
        moment = context.get("logical_date") or getattr(run, "logical_date", None) or getattr(run, "run_after", None)
        began = getattr(run, "start_date", None)
        return cls(
            dag=str(dag or getattr(run, "dag_id", "unknown")),
            run=str(getattr(ti, "run_id", None) or context.get("run_id") or getattr(run, "run_id", "unknown")),
            task=None if reason or ti is None else ti.task_id,
            map_index=-1 if ti is None or ti.map_index is None else ti.map_index,
            attempt=getattr(ti, "try_number", None) or 0,
            when="" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S %Z}",
            error=_error(context.get("exception"), reason),
            began=began.timestamp() if began else 0,
        )

    @property
    def title(self) -> str:
        """What failed, in a word."""
        return "Airflow task failed" if self.task else "Airflow DAG run failed"

    @property
    def url(self) -> str:
        """Where the log is. Built here, because Airflow 3.0.6 gives none outside the task's process."""
        from airflow.configuration import conf

        base = conf.get("api", "base_url", fallback="http://localhost:8080").rstrip("/")
        url = f"{base}/dags/{quote(self.dag)}/runs/{quote(self.run, safe='')}"
        if not self.task:
            return url
        mapped = f"/mapped/{self.map_index}" if self.map_index >= 0 else ""
        attempt = f"?try_number={self.attempt}" if self.attempt > 0 else ""
        return f"{url}/tasks/{quote(self.task)}{mapped}{attempt}"

    @property
    def text(self) -> str:
        """The message in plain text, for notifications and for the log."""
        what = f"{self.dag}.{self.task}" if self.task else self.dag
        index = f"[{self.map_index}]" if self.task and self.map_index >= 0 else ""
        return _cut(_escaped(f"{self.title}: {what}{index}, run {self.run}: {self.error}"), TEXT)

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The message in Slack's Block Kit."""
        facts = {"DAG": self.dag, "Run": self.run, "When": self.when}
        if self.task:
            facts["Task"] = self.task + (f" [{self.map_index}]" if self.map_index >= 0 else "")
            facts["Try"] = str(self.attempt)
        fields = [
            {"type": "mrkdwn", "text": f"*{name}*\n{_cut(_escaped(value), FIELD)}"}
            for name, value in facts.items()
            if value
        ]
        error = _cut(_escaped(self.error).replace("```", "'''"), SECTION)
        button = {"type": "button", "text": {"type": "plain_text", "text": "Open log"}, "url": self.url}
        return [
            {"type": "header", "text": {"type": "plain_text", "text": _cut(self.title, HEADER)}},
            {"type": "section", "fields": fields},
            {"type": "section", "text": {"type": "mrkdwn", "text": f"```{error}```"}},
            {"type": "actions", "elements": [button]},
        ]


def _error(exception: Any, reason: str | None) -> str:
    """Say why it failed, without what Airflow knows to be secret."""
    from airflow.sdk.execution_time.secrets_masker import redact

    if exception is not None:
        text = f"{type(exception).__name__}: {exception}" if str(exception) else type(exception).__name__
    elif reason:
        text = reason
    else:
        text = "the process stopped without a word: it was killed (out of memory?) or stopped answering"
    return str(redact(text))


def _escaped(text: str) -> str:
    """Take their meaning from the three characters that Slack reads as control sequences."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    kept = text[: limit - 3]
    start = kept.rfind("&", -5)  # never half of an escape
    return (kept[:start] if start >= 0 and ";" not in kept[start:] else kept) + "..."


def _claim(failure: Failure) -> bool:
    """Whether this process is the one to tell of it: one failure can be noticed by several.

    A DAG run's failure is told where no task of the run has told of one since the run last began.
    """
    try:
        folder = _state_folder() / _digest(failure.dag, failure.run)
        folder.mkdir(parents=True, exist_ok=True)
        if not failure.task and any(marker.stat().st_mtime >= failure.began for marker in folder.iterdir()):
            return False
        name = (failure.task, failure.map_index, failure.attempt) if failure.task else ("", failure.began)
        (folder / _digest(*name)).touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:
        log.warning("Told failures cannot be remembered, so one may be told twice", exc_info=True)
    return True


def _state_folder() -> Path:
    """Beside the logs, which all of Airflow's processes share. Forgets what is old."""
    from airflow.configuration import conf

    folder = Path(conf.get("logging", "base_log_folder")) / ".alerts"
    old = time.time() - REMEMBER
    for run in folder.iterdir() if folder.exists() else ():
        if run.stat().st_mtime < old:
            shutil.rmtree(run, ignore_errors=True)
    return folder


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]


def _deliver(failure: Failure) -> None:
    """Post it; log it with its text where that did not work in time."""
    if os.environ.get("AIRFLOW_ALERT_TO", "slack") != "slack":
        log.warning("%s\n%s", failure.text, failure.url)
        return
    problems: list[BaseException] = []

    def post() -> None:
        try:
            _post(failure)
        except BaseException as error:  # noqa: BLE001  # a thread's error must reach the log below
            problems.append(error)

    # A thread, because no timeout of a client covers everything: name look-up, a slow trickle, Retry-After.
    thread = threading.Thread(target=post, name="slack-alert", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive():
        log.error("Slack did not answer within %d s. Not sent: %s\n%s", PATIENCE, failure.text, failure.url)
    elif problems:
        log.error("Slack: %s. Not sent: %s\n%s", problems[0], failure.text, failure.url)


def _post(failure: Failure) -> None:
    from airflow.providers.slack.operators.slack import SlackAPIPostOperator
    from slack_sdk.http_retry.builtin_handlers import (
        ConnectionErrorRetryHandler,
        RateLimitErrorRetryHandler,
        ServerErrorRetryHandler,
    )

    SlackAPIPostOperator(
        task_id="task_failure_alert",
        slack_conn_id=CONNECTION,
        channel=os.environ.get("AIRFLOW_ALERT_CHANNEL") or "#alerts",
        text=failure.text,
        blocks=failure.blocks,
        timeout=REQUEST_TIMEOUT,
        retry_handlers=[
            ConnectionErrorRetryHandler(max_retry_count=2),
            RateLimitErrorRetryHandler(max_retry_count=2),
            ServerErrorRetryHandler(max_retry_count=2),
        ],
    ).execute({})

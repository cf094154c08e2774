"""A `Failure`, and its message in plain text and in Slack's Block Kit.

Limits: https://docs.slack.dev/reference/block-kit/blocks. The message is the same whichever process found the failure;
what that process does not know is left out.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal
from urllib.parse import quote

from common.alerts.mrkdwn import clean, code, cut, escaped, name

Kind = Literal["task", "run", "burst", "import", "fixed", "rule"]

#: Characters that Slack accepts in a header, a field and a section, and shows of plain text.
HEADER, FIELD, SECTION, TEXT = 150, 2000, 3000, 3000
#: Characters after which Slack cuts a link.
LINK = 3000
#: Names and events that a message lists.
LISTED = 10


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What failed, as far as the process that found it knows; it holds no secrets.

    :param kind: a task's try; a DAG run; many tasks of a run at once; a DAG file that does not import, or does again;
        a case of an alert rule.
    :param map_index: of a mapped task, otherwise -1.
    :param attempt: the try that failed, of `attempts`; 0 where unknown.
    :param when: the logical date, empty where the run has none.
    :param triggered_by: the asset events that triggered the run.
    :param seconds: how long it ran.
    :param error: the exception's type and text.
    :param reason: why, in plain words, where there is no exception.
    :param channel: the channel that its DAG asks for; empty for the settings' channel.
    :param file: the DAG file that does not import.
    :param began: when the run last began; a cleared run can fail again.
    :param count: where it is one of many: all failed tasks of the run.
    :param names: of a burst: the tasks that are not reported individually.
    :param headline: of a rule: what it found, in a few words.
    :param repeat: Slack did not answer when it was sent before.
    """

    kind: Kind = "task"
    dag: str = ""
    run: str = ""
    task: str = ""
    map_index: int = -1
    attempt: int = 0
    attempts: int = 0
    when: str = ""
    triggered_by: tuple[str, ...] = ()
    seconds: float | None = None
    owner: str = ""
    host: str = ""
    error: str = ""
    reason: str = ""
    channel: str = ""
    file: str = ""
    began: str = ""
    count: int = 0
    names: tuple[str, ...] = ()
    headline: str = ""
    repeat: bool = False

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Failure:
        """Return the failure of a record, maybe of another version of this class."""
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {}
        for key, value in record.items():
            if key in known:
                values[key] = tuple(value) if isinstance(value, list) else value
        return cls(**values)

    @property
    def record(self) -> dict[str, Any]:
        """Return all fields, for JSON."""
        return asdict(self)

    @property
    def label(self) -> str:
        """Return the task's name with its map index."""
        return f"{self.task}[{self.map_index}]" if self.map_index >= 0 else self.task

    @property
    def title(self) -> str:
        """Return what failed, on one line."""
        titles = {
            "task": f"Task failed: {self.dag}.{self.label}",
            "run": f"DAG run failed: {self.dag}",
            "burst": f"{self.count} tasks failed: {self.dag}",
            "import": f"DAG file cannot be imported: {os.path.basename(self.file)}",  # noqa: PTH119 of no file here
            "fixed": f"DAG file can be imported again: {os.path.basename(self.file)}",  # noqa: PTH119 as above
            "rule": self.headline,
        }
        return titles[self.kind]

    @property
    def why(self) -> str:
        """Return the error, or the reason where there is none."""
        return self.error or self.reason or "the reason is unknown"

    @property
    def url(self) -> str:
        """Return the address of the log, or of the run, or of Airflow."""
        base = base_url()
        if self.kind in {"import", "fixed"} or not self.run:
            return f"{base}/"
        url = f"{base}/dags/{quote(self.dag, safe='')}/runs/{quote(self.run, safe='')}"
        if self.kind != "task":
            return url
        mapped = f"/mapped/{self.map_index}" if self.map_index >= 0 else ""
        attempt = f"?try_number={self.attempt}" if self.attempt > 0 else ""
        return f"{url}/tasks/{quote(self.task, safe='')}{mapped}{attempt}"

    @property
    def text(self) -> str:
        """Return the message in plain text, for notifications and for logs."""
        run = f", run {self.run}" if self.run else ""
        return escaped(f"{self.title}{run}: {self.why if self.kind != 'burst' else self._named()}", TEXT)

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """Return the message in Slack's Block Kit."""
        found: list[dict[str, Any]] = [
            {"type": "header", "text": {"type": "plain_text", "text": cut(clean(self.title), HEADER)}},
        ]
        if facts := self._facts():
            found.append({"type": "section", "fields": [_text(f"*{key}*\n{value}") for key, value in facts.items()]})
        if reason := escaped(self.reason, SECTION):
            found.append({"type": "section", "text": _text(reason)})
        if self.kind == "burst":
            found.append({"type": "section", "text": _text(escaped(self._named(), SECTION))})
        if self.error:
            found.append({"type": "section", "text": _text(code(self.error, SECTION))})
        if notes := self._notes():
            found.append({"type": "context", "elements": [_text(note) for note in notes]})
        words = "Open log" if self.kind == "task" else "Open run" if self.run else "Open Airflow"
        label = {"type": "plain_text", "text": words}
        if len(self.url) <= LINK:
            found.append({"type": "actions", "elements": [{"type": "button", "text": label, "url": self.url}]})
        return found

    def _facts(self) -> dict[str, str]:
        """Return the fields of the message; Slack accepts ten."""
        attempt = f"{self.attempt} of {max(self.attempt, self.attempts)}" if self.attempt else ""
        names = {"DAG": self.dag, "Task": self.label if self.kind == "task" else "", "Run": self.run, "File": self.file}
        words = {
            "Try": attempt if self.kind == "task" else "",
            "Logical date": self.when,
            "Triggered by": _listed(self.triggered_by),
            "Duration": _duration(self.seconds),
            "Owner": self.owner,
        }
        facts = {key: name(value, FIELD - 20) for key, value in names.items() if value}
        facts |= {key: escaped(value, FIELD - 20) for key, value in words.items() if value}
        if self.host:
            facts["Host"] = name(self.host, FIELD - 20)
        return facts

    def _notes(self) -> list[str]:
        notes = []
        if self.kind == "task" and self.count:
            notes.append(f"{self.count} tasks of this run have failed.")
        if self.repeat:
            notes.append("This message may appear twice: Slack did not answer the first time.")
        return notes

    def _named(self) -> str:
        individual = self.count - len(self.names)
        first = f"First {individual} reported individually; also failed: " if individual else ""
        return first + _listed(self.names)


def base_url() -> str:
    """Return the address of Airflow's UI in a browser, without a slash at the end."""
    found = os.environ.get("AIRFLOW__API__BASE_URL")
    if not found:
        from airflow.configuration import conf

        found = conf.get("api", "base_url", fallback="")
    return (found or "http://localhost:8080").rstrip("/")


def _text(content: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": content}


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:  # noqa: PLR2004 seconds a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"

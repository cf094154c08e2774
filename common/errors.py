"""Errors of data and services, each with a message that says what to fix."""

from __future__ import annotations


class SourceMissingError(Exception):
    """The source does not exist (yet): there is nothing to do, and nothing is broken."""


class BadDataError(Exception):
    """A file's content cannot be used; a retry cannot help.

    :param file: the object, sheet or file.
    :param why: what is wrong with it.
    :param row: 1-based data row, where it is known; headings are not counted.
    :param column: the canonical column, where it is known.
    """

    def __init__(self, file: str, why: str, *, row: int | None = None, column: str | None = None) -> None:
        where = [file, *([f"row {row}"] if row is not None else []), *([f"column {column}"] if column else [])]
        super().__init__(f"{', '.join(where)}: {why}")


class AccessRefusedError(Exception):
    """A service refused the login or the request; only a change of the connection helps.

    :param service: the service that refused.
    :param why: its answer, without secrets.
    :param connection: the Airflow connection to fix.
    """

    def __init__(self, service: str, why: str, connection: str) -> None:
        fix = f"Fix the connection {connection} (AIRFLOW_CONN_{connection.upper()})."
        super().__init__(f"{service} refused: {why.rstrip('.')}. {fix}")


class StatementRefusedError(Exception):
    """A statement is wrong, or not allowed for this role; a retry cannot help."""

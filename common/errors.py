"""What can go wrong with data and services, in words that a person can act on."""

from __future__ import annotations


class SourceMissingError(Exception):
    """The source is not there (yet): nothing to do, and nothing is broken."""


class BadDataError(Exception):
    """A file's content cannot be used; trying again cannot help.

    :param file: the object, sheet or file.
    :param why: what is wrong with it.
    :param row: 1-based data row, where it is known; headings are not counted.
    :param column: the canonical column, where it is known.
    """

    def __init__(self, file: str, why: str, *, row: int | None = None, column: str | None = None) -> None:
        place = [file]
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column}")
        super().__init__(f"{', '.join(place)}: {why}")
        self.file = file
        self.why = why
        self.row = row
        self.column = column


class AccessRefusedError(Exception):
    """A service refused who we are or what we asked for; only another connection helps.

    :param service: who refused.
    :param why: its own words, without secrets.
    :param connection: the Airflow connection to fix.
    """

    def __init__(self, service: str, why: str, connection: str) -> None:
        super().__init__(
            f"{service} refused: {why}. Fix the connection {connection} (AIRFLOW_CONN_{connection.upper()})."
        )
        self.service = service
        self.why = why
        self.connection = connection


class StatementRefusedError(Exception):
    """The warehouse cannot run a statement as it is written, or not for this role; trying again cannot help."""

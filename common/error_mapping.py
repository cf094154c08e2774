"""Map the pipeline's errors to Airflow's: skip, fail at once, or fail and retry."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.exceptions import AirflowFailException, AirflowSkipException

from common.errors import AccessRefusedError, BadDataError, SourceMissingError, StatementRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Skip where the source is missing; fail without a retry where a retry cannot help.

    Any other error keeps its traceback, and the task is retried.
    """
    try:
        yield
    except SourceMissingError as error:
        raise AirflowSkipException(str(error)) from None
    except (AccessRefusedError, BadDataError, StatementRefusedError) as error:
        raise AirflowFailException(str(error)) from None

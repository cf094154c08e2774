"""A Snowflake account on this machine: fakesnow's SQL, DuckDB's storage, Snowflake's protocol and errors.

`create_app` returns the ASGI application, `tables` the tables for the start page. Importing this package is cheap:
DuckDB and fakesnow are loaded when the application is created.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.emulators.snowflake.account import Account

_accounts: list[Account] = []


@dataclass(frozen=True)
class Table:
    """A table of the warehouse, for the start page.

    :param rows: the first 20.
    """

    database: str
    schema: str
    name: str
    columns: list[str]
    rows: list[tuple[Any, ...]]
    row_count: int


def create_app(data: Path, s3_url: str) -> Any:
    """Return the account as an ASGI application.

    :param data: the folder of its databases; created where it is missing.
    :param s3_url: the URL of S3, for `s3://`.
    """
    from workbench.emulators.snowflake import app  # noqa: PLC0415 -- see the module's docstring
    from workbench.emulators.snowflake.account import Account  # noqa: PLC0415
    from workbench.emulators.snowflake.external_stage import ObjectStore  # noqa: PLC0415

    account = Account(data, ObjectStore(s3_url))
    _accounts[:] = [account]
    return app.create(account)


def tables() -> list[Table]:
    """Return the committed tables of the account that this process serves; empty where it serves none."""
    from workbench.emulators.snowflake import catalogue  # noqa: PLC0415 -- see the module's docstring

    return [Table(*found) for account in _accounts for found in catalogue.tables(account)]

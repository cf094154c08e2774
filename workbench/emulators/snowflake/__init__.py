"""A Snowflake account on this machine: fakesnow's SQL, DuckDB's storage, Snowflake's protocol and errors.

`create_app` gives the ASGI application, `tables` what its start page shows. Importing this package is cheap;
DuckDB and fakesnow are loaded when the application is made.
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
    """A table of the warehouse, for people to look at.

    :param rows: the first 20.
    """

    database: str
    schema: str
    name: str
    columns: list[str]
    rows: list[tuple[Any, ...]]
    row_count: int


def create_app(data: Path, s3_url: str) -> Any:
    """Make the account as an ASGI application.

    :param data: folder that holds its databases; made if it is not there.
    :param s3_url: where `s3://` leads.
    """
    from workbench.emulators.snowflake import app  # noqa: PLC0415 -- see the module's docstring
    from workbench.emulators.snowflake.account import Account  # noqa: PLC0415
    from workbench.emulators.snowflake.external_stage import ObjectStore  # noqa: PLC0415

    account = Account(data, ObjectStore(s3_url))
    _accounts[:] = [account]
    return app.create(account)


def tables() -> list[Table]:
    """Return the committed tables of the account that this process serves; none if it serves none."""
    from workbench.emulators.snowflake import catalogue  # noqa: PLC0415 -- see the module's docstring

    return [Table(*found) for account in _accounts for found in catalogue.tables(account)]

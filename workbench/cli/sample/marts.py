"""What the warehouse holds: rows and a digest of each mart, rows loaded of each dataset."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

MARTS = ("dim_customers", "dim_agents", "fct_complaints", "obt_complaints_overview")


@dataclass(frozen=True)
class Marts:
    """The marts at one moment.

    :ivar rows: mart -> rows.
    :ivar digests: mart -> a digest of its rows, in whatever order; columns that begin with `_` do not count.
    :ivar loaded: dataset -> rows of the partitions that are current.
    :ivar without_agent: rows of the overview whose agent is unknown.
    """

    rows: dict[str, int]
    digests: dict[str, str]
    loaded: dict[str, int]
    without_agent: int

    @property
    def exist(self) -> bool:
        """Return whether the pipeline has run before."""
        return bool(self.rows)


def read() -> Marts:
    """Read the marts by `snowflake_default`; empty if they do not exist yet."""
    # Airflow's hooks are imported once its environment is set, and only for this command.
    from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook  # noqa: PLC0415

    hook = SnowflakeHook("snowflake_default")
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'MARTS'"
    existing = {name.lower() for (name,) in hook.get_records(tables)}
    if not existing.issuperset(MARTS):
        return Marts({}, {}, {}, 0)
    rows, digests = {}, {}
    for mart in MARTS:
        with hook.get_conn() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM MARTS.{mart.upper()}")  # noqa: S608 - one of four literals
            kept = [i for i, column in enumerate(cursor.description) if not column.name.startswith("_")]
            rows[mart], total = 0, 0
            for row in cursor:
                rows[mart] += 1
                text = repr([row[i] for i in kept])
                total += int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
            digests[mart] = f"{total % 2**64:016x}"
    return Marts(
        rows=rows,
        digests=digests,
        loaded=dict(hook.get_records("SELECT dataset, SUM(row_count) FROM RAW.LOADS GROUP BY dataset")),
        without_agent=hook.get_first("SELECT COUNT(*) FROM MARTS.OBT_COMPLAINTS_OVERVIEW WHERE agent_name IS NULL")[0],
    )

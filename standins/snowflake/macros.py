"""Functions of Snowflake that neither sqlglot nor fakesnow translates rightly, as DuckDB macros.

The macros live in every database's `main` schema, where they are found whatever the current database is, and are
made anew at each start: a view that uses one gets the current definition.
"""

from __future__ import annotations

from standins.snowflake.names import quoted

_MACROS = {
    # DuckDB gives infinity or NULL; and the quotient of two numbers has a bounded scale in Snowflake.
    "_sf_div(a, b)": "CASE WHEN b = 0 THEN error('Division by zero') ELSE a / b END",
    "_sf_initcap(s)": (
        r"array_to_string(list_transform(regexp_extract_all(lower(s::VARCHAR), '[\pL\pN]+|[^\pL\pN]+'), "
        "x -> upper(x[1]) || x[2:]), '')"
    ),
}


def creation_sql(database: str) -> str:
    """Statements that make every macro in a database."""
    return ";".join(
        f"CREATE OR REPLACE MACRO {quoted(database)}.main.{head} AS {body}" for head, body in _MACROS.items()
    )

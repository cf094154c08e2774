"""Functions whose answer depends on the types of their arguments, as DuckDB macros with one body for each type.

They are in the `main` schema of each database, so they are found whatever the current database is. They are replaced at
each start, so a view that uses one gets the current definition.
"""

from __future__ import annotations

from workbench.emulators.snowflake.names import quoted

_ZERO = "CASE WHEN b::DOUBLE = 0 THEN error('Division by zero') ELSE"
_MACROS: dict[str, dict[str, str]] = {
    # The quotient of two numbers has six more places than the dividend; here a dividend with places counts as having
    # two. DuckDB would return a float, and infinity for a division by zero.
    "_sf_div": {
        "a BIGINT, b BIGINT": f"{_ZERO} CAST(a / b AS DECIMAL(38, 6)) END",
        "a HUGEINT, b HUGEINT": f"{_ZERO} CAST(a / b AS DECIMAL(38, 6)) END",
        "a DECIMAL(38, 12), b DECIMAL(38, 12)": f"{_ZERO} CAST(a / b AS DECIMAL(38, 8)) END",
        "a DOUBLE, b DOUBLE": f"{_ZERO} a / b END",
        "a VARCHAR, b DOUBLE": f"{_ZERO} a::DOUBLE / b END",
        "a DOUBLE, b VARCHAR": f"{_ZERO} a / b::DOUBLE END",
        "a VARCHAR, b VARCHAR": f"{_ZERO} a::DOUBLE / b::DOUBLE END",
    },
    # The same for aggregates, whose types DuckDB does not know before the macro is expanded.
    "_sf_div_float": {"a, b": f"{_ZERO} a / b END"},
    # The result for a date is a date.
    "_sf_date_trunc": {
        "unit, d DATE": "CAST(date_trunc(unit, d) AS DATE)",
        "unit, d TIMESTAMP": "date_trunc(unit, d)",
        "unit, d TIMESTAMPTZ": "date_trunc(unit, d)",
    },
    "_sf_date_add": {
        "d DATE, i": "CAST(d + i AS DATE)",
        "d TIMESTAMP, i": "d + i",
        "d TIMESTAMPTZ, i": "d + i",
        "d VARCHAR, i": "CAST(d AS TIMESTAMP) + i",
    },
    # Snowflake shows milliseconds, whole floats without a point, and strings in a variant without quotes.
    "_sf_text": {
        "v": "CASE WHEN typeof(v) = 'JSON' THEN TRY_CAST(CAST(v AS VARCHAR) AS JSON) ->> '$' "
        "ELSE CAST(v AS VARCHAR) END",
        "v TIMESTAMP": "strftime(v, '%Y-%m-%d %H:%M:%S.%g')",
        "v TIMESTAMPTZ": "strftime(v, '%Y-%m-%d %H:%M:%S.%g +0000')",
        "v DOUBLE": "CASE WHEN v = trunc(v) AND abs(v) < 1e15 THEN CAST(CAST(v AS BIGINT) AS VARCHAR) "
        "ELSE CAST(v AS VARCHAR) END",
        "v BIGINT": "CAST(v AS VARCHAR)",
        "v DATE": "CAST(v AS VARCHAR)",
    },
    "_sf_initcap": {
        "s": r"array_to_string(list_transform(regexp_extract_all(lower(s::VARCHAR), "
        r"'[^\s!?@"
        "^#$&~_,.:;+\\-*%/|\\\\[\\](){}<>]+|[\\s!?@"
        "^#$&~_,.:;+\\-*%/|\\\\[\\](){}<>]+'), "
        "x -> upper(x[1]) || x[2:]), '')"
    },
    "_sf_typeof": {
        "v": "CASE json_type(v) WHEN 'UBIGINT' THEN 'INTEGER' WHEN 'BIGINT' THEN 'INTEGER' "
        "WHEN 'DOUBLE' THEN 'DECIMAL' WHEN 'NULL' THEN 'NULL_VALUE' ELSE json_type(v) END"
    },
    "_sf_signed": {"h": "CAST(h::HUGEINT - 9223372036854775808 AS BIGINT)"},
}


def creation_sql(database: str) -> str:
    """Return the SQL that creates all macros in a database."""
    return ";".join(
        f"CREATE OR REPLACE MACRO {quoted(database)}.main.{name} "
        + ", ".join(f"({arguments}) AS {body}" for arguments, body in bodies.items())
        for name, bodies in _MACROS.items()
    )

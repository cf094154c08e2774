"""Reading staged files: Snowflake's file formats as DuckDB's readers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from standins.snowflake.errors import SnowflakeError, unsupported
from standins.snowflake.names import literal, quoted

if TYPE_CHECKING:
    from pathlib import Path

    from standins.snowflake.external_stage import StagedFile

_IGNORED = {
    # What these change is not visible in the rows, or is how it is read here anyhow.
    "BINARY_AS_TEXT", "BINARY_FORMAT", "COMPRESSION", "DATE_FORMAT", "ENCODING", "ESCAPE", "ESCAPE_UNENCLOSED_FIELD",
    "PARSE_HEADER", "RECORD_DELIMITER", "REPLACE_INVALID_CHARACTERS", "SKIP_BLANK_LINES", "SKIP_BYTE_ORDER_MARK",
    "SNAPPY_COMPRESSION", "TIMESTAMP_FORMAT", "TIME_FORMAT", "TRIM_SPACE", "TYPE", "USE_LOGICAL_TYPE",
    "USE_VECTORIZED_SCANNER", "VALIDATE_UTF8",
}  # fmt: skip
_REFUSED_VALUES = {
    ("DATE_FORMAT", "AUTO"), ("TIMESTAMP_FORMAT", "AUTO"), ("TIME_FORMAT", "AUTO"), ("ENCODING", "UTF8"),
    ("RECORD_DELIMITER", "\\n"), ("RECORD_DELIMITER", "\n"), ("PARSE_HEADER", False), ("ESCAPE", "NONE"),
    ("SKIP_BLANK_LINES", False), ("REPLACE_INVALID_CHARACTERS", False), ("BINARY_FORMAT", "HEX"), ("BINARY_AS_TEXT", True),
    ("TRIM_SPACE", False), ("ENCODING", "UTF-8"), ("BINARY_FORMAT", "UTF8"), ("BINARY_AS_TEXT", False),
}  # fmt: skip
_FREE = {"COMPRESSION", "ESCAPE_UNENCLOSED_FIELD", "SNAPPY_COMPRESSION", "TYPE", "USE_LOGICAL_TYPE", "VALIDATE_UTF8"} | {
    "SKIP_BYTE_ORDER_MARK", "USE_VECTORIZED_SCANNER"
}  # fmt: skip
_CSV = {"EMPTY_FIELD_AS_NULL", "ERROR_ON_COLUMN_COUNT_MISMATCH", "FIELD_DELIMITER", "FIELD_OPTIONALLY_ENCLOSED_BY"} | {
    "NULL_IF", "SKIP_HEADER"
}  # fmt: skip
_JSON = {"STRIP_OUTER_ARRAY", "ALLOW_DUPLICATE", "STRIP_NULL_VALUES", "IGNORE_UTF8_ERRORS"}


def check_options(options: dict[str, Any]) -> None:
    """:raises SnowflakeError: 000002 for an option that would change the rows and is not done here."""
    known = {"CSV": _CSV, "JSON": {"STRIP_OUTER_ARRAY"}, "PARQUET": {"NULL_IF"}}.get(options["TYPE"])
    if known is None:
        raise unsupported(f"FILE_FORMAT TYPE = {options['TYPE']}")
    for name, value in options.items():
        comparable = value.upper() if isinstance(value, str) and name != "RECORD_DELIMITER" else value
        if name in known or name in _FREE or (name in _IGNORED and (name, comparable) in _REFUSED_VALUES):
            continue
        if isinstance(value, bool) and value is False and name in _JSON:
            continue
        raise unsupported(f"FILE_FORMAT option {name} = {value}")


@dataclass(frozen=True)
class LocalFile:
    """A staged file that was fetched."""

    staged: StagedFile
    path: Path

    @property
    def shown(self) -> str:
        """As errors and METADATA$FILENAME name it."""
        return self.staged.key


def reader(file: LocalFile, options: dict[str, Any], width: int = 0) -> str:
    """A DuckDB table function over one file.

    CSV gives text columns `c1`, `c2`...; Parquet its own columns; JSON one column `json`.

    :param width: how many columns the CSV is to have.
    """
    path = literal(str(file.path).replace("[", "[[]").replace("*", "[*]").replace("?", "[?]"))
    if options["TYPE"] == "PARQUET":
        return f"read_parquet({path})"
    if options["TYPE"] == "JSON":
        layout = "array" if options.get("STRIP_OUTER_ARRAY") else "unstructured"
        return f"read_json_objects({path}, format='{layout}')"
    return f"read_csv({path}, {_csv(options, width)})"


def _csv(options: dict[str, Any], width: int) -> str:
    quote = str(options.get("FIELD_OPTIONALLY_ENCLOSED_BY", "NONE"))
    delimiter = str(options.get("FIELD_DELIMITER", ",")).replace("\\t", "\t")
    nulls = options.get("NULL_IF", ["\\N"])
    nulls = [str(each).replace("\\\\N", "\\N") for each in (nulls if isinstance(nulls, list) else [nulls])]
    if options.get("EMPTY_FIELD_AS_NULL", True) and "" not in nulls:
        nulls.append("")
    columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(1, width + 1))
    lenient = options.get("ERROR_ON_COLUMN_COUNT_MISMATCH") is False
    return ", ".join(
        [
            "header = false", "auto_detect = false", f"columns = {{{columns}}}", f"delim = {literal(delimiter)}",
            f"skip = {int(options.get('SKIP_HEADER', 0))}", f"quote = {literal('' if quote.upper() == 'NONE' else quote)}",
            f"escape = {literal('' if quote.upper() == 'NONE' else quote)}", "max_line_size = 16777216",
            f"nullstr = [{', '.join(literal(each) for each in nulls)}]", f"null_padding = {lenient}", "parallel = false",
            f"strict_mode = {not lenient}",
        ]
    )  # fmt: skip


def width(duck: duckdb.DuckDBPyConnection, file: LocalFile, options: dict[str, Any]) -> int:
    """How many columns the first row of a CSV has."""
    sample = {**options, "ERROR_ON_COLUMN_COUNT_MISMATCH": False}
    for wide in (8, 64, 1024):
        found = duck.execute(f"SELECT * FROM {reader(file, sample, wide)} LIMIT 1").fetchone() or ()
        filled = max((at for at, cell in enumerate(found, 1) if cell is not None), default=1)
        if filled < wide:
            break
    return filled


def relation(duck: duckdb.DuckDBPyConnection, files: list[LocalFile], options: dict[str, Any], dollars: int) -> str:
    """Files as one relation with the columns `$1`, `$2`... and METADATA$..., for queries on a stage.

    :param dollars: the highest `$n` that the query asks for.
    """
    if not files:
        nothing = ", ".join(f"NULL::JSON AS {quoted(f'${at}')}" for at in range(1, max(dollars, 1) + 1))
        return f'SELECT {nothing}, NULL::VARCHAR AS "METADATA$FILENAME", NULL::BIGINT AS "METADATA$FILE_ROW_NUMBER" WHERE false'
    parts = []
    for file in files:
        if options["TYPE"] == "CSV":
            wide = max(dollars, width(duck, file, options))
            source = reader(file, {**options, "ERROR_ON_COLUMN_COUNT_MISMATCH": False}, wide)
            values = ", ".join(f"c{at} AS {quoted(f'${at}')}" for at in range(1, wide + 1))
        else:
            source = reader(file, options)
            values = 'json AS "$1"' if options["TYPE"] == "JSON" else 'to_json(t) AS "$1", t.*'
        parts.append(
            f'SELECT {values}, {literal(file.shown)} AS "METADATA$FILENAME", '
            f'row_number() OVER () AS "METADATA$FILE_ROW_NUMBER" FROM {source} AS t'
        )
    return " UNION ALL BY NAME ".join(parts)


def unreadable(error: duckdb.Error, file: LocalFile, kind: str) -> SnowflakeError:
    """A file that is not what its format says, in Snowflake's words."""
    message = str(error).split("\n", maxsplit=1)[0].split(": ", 1)[-1].replace(str(file.path), file.shown)
    if kind == "PARQUET":
        return in_file(
            SnowflakeError(
                "Error parsing the parquet file: Invalid: Parquet magic bytes not found in footer. Either the file is "
                f"corrupted or this is not a parquet file. ({message})",
                100152,
                "22000",
            ),
            file,
        )
    return in_file(SnowflakeError(f"Error parsing {kind}: {message}", 100069, "22P02"), file)


def in_file(error: SnowflakeError, file: LocalFile, row: int | None = None, column: str = "") -> SnowflakeError:
    """An error with the place where it happened and Snowflake's advice."""
    where = f"\n  File '{file.shown}', line {row or ''}, character \n  Row {row or ''}, column {column}"
    advice = (
        "\n  If you would like to continue loading when an error is encountered, use other values such as 'SKIP_FILE' "
        "or 'CONTINUE' for the ON_ERROR option. For more information on loading options, please run "
        "'info loading_data' in a SQL client."
    )
    return SnowflakeError(error.message + where + advice, error.errno, error.sqlstate)

"""Reading staged files: Snowflake's file formats with DuckDB's readers."""

# ruff: noqa: S608 -- names in SQL are quoted, values are bound

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.emulators.snowflake.errors import SnowflakeError, unsupported
from workbench.emulators.snowflake.names import literal, quoted

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from workbench.emulators.snowflake.external_stage import StagedFile

_KNOWN: dict[str, set[str]] = {
    "CSV": {
        "EMPTY_FIELD_AS_NULL", "ERROR_ON_COLUMN_COUNT_MISMATCH", "FIELD_DELIMITER", "FIELD_OPTIONALLY_ENCLOSED_BY",
        "NULL_IF", "SKIP_HEADER",
    },
    "JSON": {"STRIP_OUTER_ARRAY"},
    "PARQUET": set(),
}  # fmt: skip
_WITHOUT_EFFECT = {
    "COMPRESSION", "ESCAPE_UNENCLOSED_FIELD", "SKIP_BYTE_ORDER_MARK", "SNAPPY_COMPRESSION", "TYPE", "USE_LOGICAL_TYPE",
    "USE_VECTORIZED_SCANNER", "VALIDATE_UTF8",
}  # fmt: skip
_AS_IT_IS_READ: dict[str, set[Any]] = {
    "ALLOW_DUPLICATE": {False}, "BINARY_AS_TEXT": {True, False}, "BINARY_FORMAT": {"HEX", "UTF8"},
    "DATE_FORMAT": {"AUTO"}, "ENCODING": {"UTF8", "UTF-8"}, "ESCAPE": {"NONE"}, "IGNORE_UTF8_ERRORS": {False},
    "PARSE_HEADER": {False},
    "RECORD_DELIMITER": {"\\N", "\n"}, "REPLACE_INVALID_CHARACTERS": {False}, "SKIP_BLANK_LINES": {False},
    "STRIP_NULL_VALUES": {False}, "TIMESTAMP_FORMAT": {"AUTO"}, "TIME_FORMAT": {"AUTO"}, "TRIM_SPACE": {False},
}  # fmt: skip


def check_options(options: dict[str, Any]) -> None:
    """Refuse an option that changes the rows and is not supported here.

    :raises SnowflakeError: 000002.
    """
    known = _KNOWN.get(options["TYPE"])
    if known is None:
        raise unsupported(f"FILE_FORMAT TYPE = {options['TYPE']}")
    for name, value in options.items():
        comparable = value.upper() if isinstance(value, str) else value
        if name in known or name in _WITHOUT_EFFECT:
            continue
        if isinstance(comparable, list) or comparable not in _AS_IT_IS_READ.get(name, set()):
            raise unsupported(f"FILE_FORMAT option {name} = {value}")


@dataclass(frozen=True)
class LocalFile:
    """A fetched staged file."""

    staged: StagedFile
    path: Path

    @property
    def shown(self) -> str:
        """The name in errors and in METADATA$FILENAME."""
        return self.staged.key


def reader(file: LocalFile, options: dict[str, Any], width: int = 0) -> str:
    """Return a DuckDB table function for one file.

    The columns of a CSV are the texts `c1`, `c2`...; of Parquet its own; of JSON one column `json`.

    :param width: the number of columns of the CSV.
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
    quoting = literal("" if quote.upper() == "NONE" else quote)
    return ", ".join(
        [
            "header = false", "auto_detect = false", f"columns = {{{columns}}}", f"delim = {literal(delimiter)}",
            f"skip = {int(options.get('SKIP_HEADER', 0))}", f"quote = {quoting}", f"escape = {quoting}",
            f"nullstr = [{', '.join(literal(each) for each in nulls)}]", f"null_padding = {lenient}",
            f"strict_mode = {not lenient}", "parallel = false", "max_line_size = 16777216",
        ]
    )  # fmt: skip


def width(duck: duckdb.DuckDBPyConnection, file: LocalFile, options: dict[str, Any]) -> int:
    """Return the number of columns in the first row of a CSV."""
    sample = {**options, "ERROR_ON_COLUMN_COUNT_MISMATCH": False}
    for wide in (8, 64, 1024):
        found = duck.execute(f"SELECT * FROM {reader(file, sample, wide)} LIMIT 1").fetchone() or ()
        filled = max((at for at, cell in enumerate(found, 1) if cell is not None), default=1)
        if filled < wide:
            break
    return filled


def relation(duck: duckdb.DuckDBPyConnection, files: list[LocalFile], options: dict[str, Any], dollars: int) -> str:
    """Return files as one relation with the columns `$1`, `$2`... and METADATA$..., for queries on a stage.

    :param dollars: the highest `$n` in the query.
    """
    if not files:
        nothing = ", ".join(f"NULL::JSON AS {quoted(f'${at}')}" for at in range(1, max(dollars, 1) + 1))
        metadata = 'NULL::VARCHAR AS "METADATA$FILENAME", NULL::BIGINT AS "METADATA$FILE_ROW_NUMBER"'
        return f"SELECT {nothing}, {metadata} WHERE false"
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
    """Return Snowflake's error for a file that does not have its format."""
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
    """Return an error with its file, line and column, and Snowflake's advice."""
    where = f"\n  File '{file.shown}', line {row or ''}, character \n  Row {row or ''}, column {column}"
    advice = (
        "\n  If you would like to continue loading when an error is encountered, use other values such as 'SKIP_FILE' "
        "or 'CONTINUE' for the ON_ERROR option. For more information on loading options, please run "
        "'info loading_data' in a SQL client."
    )
    return SnowflakeError(error.message + where + advice, error.errno, error.sqlstate)

"""Names of objects: Snowflake's rules for case, defaults and qualification."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlglot import exp

from workbench.emulators.snowflake.errors import SnowflakeError

if TYPE_CHECKING:
    from workbench.emulators.snowflake.sessions import Session


class Name(NamedTuple):
    """A fully qualified object."""

    database: str
    schema: str
    name: str

    @property
    def sql(self) -> str:
        """The name for DuckDB, in quotes."""
        return ".".join(quoted(part) for part in self)

    def __str__(self) -> str:
        """Return the name as in Snowflake's messages."""
        return ".".join(self)


def quoted(name: str) -> str:
    """Return an identifier in quotes, for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a string as a literal, for DuckDB."""
    return "'" + text.replace("'", "''") + "'"


def fold(identifier: exp.Expr | str | None) -> str:
    """Return a name in upper case unless it is quoted, as Snowflake stores it."""
    if isinstance(identifier, exp.Identifier):
        return str(identifier.this) if identifier.quoted else str(identifier.this).upper()
    if isinstance(identifier, str):
        if len(identifier) > 1 and identifier[0] == identifier[-1] == '"':
            return identifier[1:-1].replace('""', '"')
        return identifier.upper()
    return ""


def qualify(session: Session, table: exp.Table, verb: str = "SELECT") -> Name:
    """Return the full name of a reference in this session.

    :raises SnowflakeError: 090105 or 090106 where the session has no current database or schema.
    """
    return complete(session, fold(table.args.get("catalog")), fold(table.args.get("db")), fold(table.this), verb)


def complete(session: Session, database: str, schema: str, name: str, verb: str) -> Name:
    """Return a name with the session's current database and schema filled in."""
    if not database:
        if not session.database:
            raise _no_current("database", verb)
        database = session.database
    if not schema:
        if not session.schema:
            raise _no_current("schema", verb)
        schema = session.schema
    return Name(database, schema, name)


def split(text: str) -> list[str]:
    """Return the parts of a dotted name; a dot in quotes does not split."""
    parts, part, inside = [], "", False
    for character in text:
        if character == '"':
            inside = not inside
        if character == "." and not inside:
            parts.append(part)
            part = ""
        else:
            part += character
    return [fold(each) for each in [*parts, part]]


def from_text(session: Session, text: str, verb: str) -> Name:
    """Return the full name of a text, as in GET_DDL('TABLE', 'raw.t') or FORMAT_NAME = 'raw.f'."""
    database, schema, name = ["", "", *split(text)][-3:]
    return complete(session, database, schema, name, verb)


def _no_current(what: str, verb: str) -> SnowflakeError:
    number = {"database": 90105, "schema": 90106}[what]
    return SnowflakeError(
        f"Cannot perform {verb}. This session does not have a current {what}. "
        f"Call 'USE {what.upper()}', or use a qualified name.",
        number,
        "22000",
    )

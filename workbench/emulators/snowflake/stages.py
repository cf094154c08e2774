"""Stages and file formats: created, shown, dropped, and referenced, such as `@raw.lake/2025/`.

Both are in the global database, in fakesnow's tables, so that its SHOW commands find them, and so on the disk.
"""

# ruff: noqa: S608 -- names in SQL are quoted, values are bound

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from workbench.emulators.snowflake import results
from workbench.emulators.snowflake.account import STAGE_OPTIONS
from workbench.emulators.snowflake.engine import GLOBAL, INTERNAL
from workbench.emulators.snowflake.errors import SnowflakeError, compilation, exists, missing, unsupported
from workbench.emulators.snowflake.names import Name, complete, from_text, qualify, split

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.emulators.snowflake.external_stage import StagedFile
    from workbench.emulators.snowflake.results import Result
    from workbench.emulators.snowflake.sessions import Session

STAGES = f"{GLOBAL}.{INTERNAL}._fs_stages"
FORMATS = f"{GLOBAL}.{INTERNAL}._fs_file_formats"
_HERE = "database_name = ? AND schema_name = ? AND name = ?"
_REFERENCE = re.compile(r'@((?:"[^"]*"|[^/"])+)/?(.*)', re.DOTALL)


@dataclass(frozen=True)
class Stage:
    """A stage reference.

    :param url: the URL of the stage, with the path of the reference.
    :param options: its file format.
    """

    url: str
    root: str
    options: dict[str, Any] = field(default_factory=dict)


def option(value: Any) -> Any:  # noqa: PLR0911 -- one return a kind of expression
    """Return the Python value of an option's expression."""
    if isinstance(value, exp.Literal):
        return str(value.this) if value.is_string else int(value.this)
    if isinstance(value, exp.Boolean):
        return bool(value.this)
    if isinstance(value, exp.Paren):
        return [option(value.this)]
    if isinstance(value, exp.Tuple):
        return [option(each) for each in value.expressions]
    if isinstance(value, exp.Table):
        return ".".join(part.sql(dialect="snowflake") for part in value.parts)
    if isinstance(value, exp.Expr):
        word = value.name or value.sql(dialect="snowflake")
        return {"TRUE": True, "FALSE": False}.get(word.upper(), word)
    return value


def options(properties: Iterable[exp.Expr]) -> dict[str, Any]:
    """Return `NAME = value` pairs as a mapping."""
    named = [each for each in properties if type(each) is exp.Property]
    return {each.this.name.upper(): option(each.args.get("value")) for each in named}


def create_stage(session: Session, statement: exp.Create) -> Result:
    """Run CREATE STAGE; only external stages on s3:// are supported."""
    name = qualify(session, statement.this, "CREATE STAGE")
    properties = statement.args["properties"].expressions if statement.args.get("properties") else []
    temporary = statement.find(exp.TemporaryProperty) is not None
    given = options(properties)
    for each in properties:
        if isinstance(each, exp.FileFormatProperty):
            given["FILE_FORMAT"] = options(each.expressions)
        elif isinstance(each, exp.SchemaCommentProperty):
            given["COMMENT"] = each.this.name
        elif isinstance(each, exp.CredentialsProperty):
            given["CREDENTIALS"] = True
    url = str(given.get("URL", ""))
    if not url:
        raise unsupported("an internal stage: CREATE STAGE without URL = 's3://...'")
    if not url.startswith("s3://"):
        raise compilation(f"invalid URL prefix found in: '{url}'", 1011, "42601")
    if kept := _kept(session, statement, STAGES, name):
        return kept
    _delete(session, STAGES, name)
    _delete(session, STAGE_OPTIONS, name)
    session.duck.execute(
        f"INSERT INTO {STAGES} (created_on, name, database_name, schema_name, url, has_credentials, "
        "has_encryption_key, owner, comment, type, cloud, storage_integration, owner_role_type, directory_enabled) "
        "VALUES (now(), ?, ?, ?, ?, ?, 'N', 'DEV', ?, ?, 'AWS', ?, 'ROLE', 'N')",
        [
            name.name, name.database, name.schema, url, "Y" if "CREDENTIALS" in given else "N",
            given.get("COMMENT", ""),
            "EXTERNAL TEMPORARY" if temporary else "EXTERNAL", given.get("STORAGE_INTEGRATION"),
        ],
    )  # fmt: skip
    session.duck.execute(
        f"INSERT INTO {STAGE_OPTIONS} VALUES (?, ?, ?, ?)", [*name, json.dumps(given.get("FILE_FORMAT", {}))]
    )
    if temporary:
        session.temporary_stages.add(name)
    return results.status(f"Stage area {name.name} successfully created.")


def _kept(session: Session, statement: exp.Create, table: str, name: Name) -> Result | None:
    """Return the result of IF NOT EXISTS for an object that exists; None where it is to be created or replaced.

    :raises SnowflakeError: 002002 where it exists, without IF NOT EXISTS and OR REPLACE.
    """
    if not session.duck.execute(f"SELECT 1 FROM {table} WHERE {_HERE}", list(name)).fetchone():
        return None
    if statement.args.get("exists"):
        return results.status(f"{name.name} already exists, statement succeeded.")
    if not statement.args.get("replace"):
        raise exists(name.name)
    return None


def create_file_format(session: Session, statement: exp.Create) -> Result:
    """Run CREATE FILE FORMAT."""
    name = qualify(session, statement.this, "CREATE FILE FORMAT")
    properties = statement.args.get("properties")
    given = options(properties.expressions if properties else [])
    kind = str(given.get("TYPE", "CSV")).upper()
    if kind not in {"CSV", "JSON", "PARQUET"}:
        raise unsupported(f"FILE_FORMAT TYPE = {kind}")
    if kept := _kept(session, statement, FORMATS, name):
        return kept
    _delete(session, FORMATS, name)
    session.duck.execute(
        f"INSERT INTO {FORMATS} (created_on, name, database_name, schema_name, type, options) "
        "VALUES (now(), ?, ?, ?, ?, ?)",
        [name.name, name.database, name.schema, kind, json.dumps(given | {"TYPE": kind})],
    )
    return results.status(f"File format {name.name} successfully created.")


def drop(session: Session, kind: str, name: Name, *, if_exists: bool) -> Result:
    """Run DROP STAGE or DROP FILE FORMAT."""
    table, word = (STAGES, "Stage") if kind == "STAGE" else (FORMATS, "File format")
    if not session.duck.execute(f"SELECT 1 FROM {table} WHERE {_HERE}", list(name)).fetchone():
        if if_exists:
            return results.status(f"Drop statement executed successfully ({name.name} already dropped).")
        raise missing(word, str(name))
    _delete(session, table, name)
    if kind == "STAGE":
        _delete(session, STAGE_OPTIONS, name)
    return results.status(f"{name.name} successfully dropped.")


def resolve(session: Session, reference: str) -> Stage:
    """Return the stage of `@stage/path` or `s3://...`.

    :raises SnowflakeError: 002003 for a stage that does not exist, 000002 for an internal one.
    """
    if reference.startswith("s3://"):
        return Stage(reference, reference)
    found = _REFERENCE.fullmatch(reference)
    if not found:
        raise compilation(f"invalid URL prefix found in: '{reference}'", 1011, "42601")
    if found[1].startswith(("~", "%")) or ".%" in found[1]:
        raise unsupported(f"the internal stage @{found[1]}")
    database, schema, name = ["", "", *split(found[1])][-3:]
    stage = complete(session, database, schema, name, "this operation on a stage")
    row = session.duck.execute(f"SELECT url FROM {STAGES} WHERE {_HERE}", list(stage)).fetchone()
    if not row:
        raise missing("Stage", str(stage))
    kept = session.duck.execute(f"SELECT options FROM {STAGE_OPTIONS} WHERE {_HERE}", list(stage)).fetchone()
    root = row[0]
    url = f"{root.rstrip('/')}/{found[2]}" if found[2] else root
    return Stage(url, root, json.loads(kept[0]) if kept else {})


def file_format(session: Session, given: dict[str, Any], stage: dict[str, Any]) -> dict[str, Any]:
    """Return the file format in COPY's own options, or else of the stage, with a named format resolved."""
    chosen = dict(given or stage)
    if named := chosen.pop("FORMAT_NAME", None):
        name = from_text(session, str(named), "COPY")
        row = session.duck.execute(f"SELECT options FROM {FORMATS} WHERE {_HERE}", list(name)).fetchone()
        if not row:
            raise missing("File format", str(name))
        chosen = {**json.loads(row[0]), **chosen}
    return {**chosen, "TYPE": str(chosen.get("TYPE", "CSV")).upper()}


def matching(files: list[StagedFile], pattern: str | None) -> list[StagedFile]:
    """Return the files whose whole path matches a regular expression, for PATTERN in COPY and LIST."""
    if pattern is None:
        return files
    try:
        return [file for file in files if re.fullmatch(pattern, file.key)]
    except re.error as error:
        raise SnowflakeError(f"Invalid regular expression: '{pattern}', {error}", 100048, "2201B") from error


def list_files(session: Session, statement: exp.ListStage) -> Result:
    """Run LIST @stage/path [PATTERN = '...']."""
    stage = resolve(session, statement.this.name)
    pattern = statement.args.get("pattern")
    files = matching(session.account.objects.files(stage.url), pattern.name if pattern else None)
    listed = [[f.url, f.size, f.etag, f.modified.strftime("%a, %d %b %Y %H:%M:%S GMT")] for f in files]
    return results.rows(["name", "size", "md5", "last_modified"], listed)


def _delete(session: Session, table: str, name: Name) -> None:
    session.duck.execute(f"DELETE FROM {table} WHERE {_HERE}", list(name))

# ruff: noqa: E501, ICN001 -- a table, one statement a line; its times have no zone
# fmt: off
"""Statements with the results that Snowflake's documentation states; `test_statements.py` runs each.

In an empty schema, after `given`, `sql` returns `rows` (or `error`). The source of the statements under a heading is the
reference page named there (docs.snowflake.com/en/sql-reference/...). The stage `lake` holds

    people.csv     id,name,born             3 rows, one name quoted with a comma, one empty date
    people.parquet id (text), Name, born    the same rows
    wide.parquet   id, extra                2 rows
    broken.parquet                          the text "this is not Parquet"
    bad_date.csv   the second row's date is not valid
    many.csv       the second row has a field too many
    events.json    two JSON objects, one a line
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

FIXED, REAL, TEXT, DATE, VARIANT, TIMESTAMP_TZ, TIMESTAMP_NTZ, BINARY, TIME, BOOLEAN = 0, 1, 2, 3, 5, 7, 8, 11, 12, 13
OBJECT, ARRAY, TIMESTAMP_LTZ = 9, 10, 6


@dataclass(frozen=True)
class Case:
    """One statement.

    :param rows: the result; None where it does not matter.
    :param error: number and a piece of the message.
    :param types: the type codes of the columns.
    :param names: the columns' names.
    :param count: `cursor.rowcount`.
    :param ordered: whether the order of rows is part of the answer.
    """

    name: str
    sql: str
    rows: list[tuple[Any, ...]] | None = None
    given: tuple[str, ...] = ()
    error: tuple[int, str] | None = None
    types: tuple[int, ...] | None = None
    names: tuple[str, ...] | None = None
    count: int | None = None
    ordered: bool = True


def value(name: str, sql: str, answer: Any, *, kind: int | None = None) -> Case:
    """An expression and what it is."""
    return Case(name, f"SELECT {sql}", [(answer,)], types=None if kind is None else (kind,))


def refused(name: str, sql: str, errno: int, text: str, *given: str) -> Case:
    """A statement and its error."""
    return Case(name, sql, error=(errno, text), given=given)


def says(name: str, sql: str, text: str, *given: str) -> Case:
    """A statement and its one-cell answer."""
    return Case(name, sql, [(text,)], given=given)


day, at = datetime.date, datetime.datetime
OK = "Statement executed successfully."
PEOPLE = "CREATE TABLE people (id INT, name VARCHAR, born DATE)"
LAKE = (
    "CREATE STAGE lake URL = 's3://telecoms-lake/statements/' STORAGE_INTEGRATION = s3_integration",
    "CREATE FILE FORMAT commas TYPE = CSV SKIP_HEADER = 1 FIELD_OPTIONALLY_ENCLOSED_BY = '\"'",
)
STAFF = (
    "CREATE TABLE staff (id INT, dept VARCHAR, pay NUMBER(10, 2))",
    "INSERT INTO staff VALUES (1, 'a', 10), (2, 'a', 20), (3, 'b', 30), (4, 'b', NULL)",
)
TWO = (
    "CREATE TABLE t (id INT, v VARCHAR)",
    "INSERT INTO t VALUES (1, 'one'), (2, 'two')",
    "CREATE TABLE s (id INT, v VARCHAR, gone BOOLEAN)",
    "INSERT INTO s VALUES (2, 'zwei', FALSE), (3, 'drei', FALSE)",
)

DEFINITIONS = [  # sql/create-table, sql/create-view, sql/create-schema, sql/drop-table, sql/alter-table
    says("create table", "CREATE TABLE t (a INT)", "Table T successfully created."),
    says("create table if not exists, new", "CREATE TABLE IF NOT EXISTS t (a INT)", "Table T successfully created."),
    says("create table if not exists, there", "CREATE TABLE IF NOT EXISTS t (a INT)", "T already exists, statement succeeded.", "CREATE TABLE t (b INT)"),
    refused("create table that exists", "CREATE TABLE t (a INT)", 2002, "Object 'T' already exists", "CREATE TABLE t (b INT)"),
    Case("create or replace drops the rows", "SELECT * FROM t", [], given=("CREATE TABLE t AS SELECT 1 a", "CREATE OR REPLACE TABLE t (a INT)")),
    Case("create table as select", "SELECT * FROM t", [(1, "x")], given=("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b",), names=("A", "B")),
    Case("create table as select with columns", "SELECT * FROM t", [("1", 2)], given=("CREATE TABLE t (a VARCHAR, b INT) AS SELECT 1, 2",), types=(TEXT, FIXED)),
    refused("create table as select without a name", "CREATE TABLE t AS SELECT 1 + 1", 2022, "Missing column specification"),
    says("transient table", "CREATE TRANSIENT TABLE t (a INT)", "Table T successfully created."),
    Case("like takes columns, not rows", "SELECT * FROM u", [], given=(*TWO[:2], "CREATE TABLE u LIKE t"), names=("ID", "V")),
    refused("like keeps NOT NULL", "INSERT INTO u VALUES (NULL)", 100072, "NULL result in a non-nullable column", "CREATE TABLE t (a INT NOT NULL)", "CREATE TABLE u LIKE t"),
    Case("clone takes the rows", "SELECT * FROM u ORDER BY id", [(1, "one"), (2, "two")], given=(*TWO[:2], "CREATE TABLE u CLONE t")),
    Case("a clone is a copy", "SELECT COUNT(*) FROM t", [(2,)], given=(*TWO[:2], "CREATE TABLE u CLONE t", "DELETE FROM u")),
    Case("a table may be replaced from itself", "SELECT * FROM t", [(2,)], given=("CREATE TABLE t AS SELECT 1 AS a", "CREATE OR REPLACE TABLE t AS SELECT a + 1 AS a FROM t")),
    Case("a replaced table has its own identity", "SELECT * FROM t", [(1, "x")], given=("CREATE TABLE t (id INT IDENTITY, v VARCHAR)", "CREATE OR REPLACE TABLE t (id INT IDENTITY(1, 1), v VARCHAR)", "INSERT INTO t (v) VALUES ('x')")),
    Case("default value", "SELECT * FROM t", [(1, "new")], given=("CREATE TABLE t (a INT, b VARCHAR DEFAULT 'new')", "INSERT INTO t (a) VALUES (1)")),
    Case("autoincrement", "SELECT * FROM t ORDER BY id", [(1, "a"), (2, "b")], given=("CREATE TABLE t (id INT AUTOINCREMENT, v VARCHAR)", "INSERT INTO t (v) VALUES ('a'), ('b')")),
    Case("primary keys are not enforced", "SELECT COUNT(*) FROM t", [(2,)], given=("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (1)")),
    refused("primary keys are not null", "INSERT INTO t VALUES (NULL)", 100072, "NULL result", "CREATE TABLE t (id INT, PRIMARY KEY (id))"),
    refused("text has its length", "INSERT INTO t VALUES ('abcd')", 100078, "too long and would be truncated", "CREATE TABLE t (a VARCHAR(3))"),
    refused("numbers have their precision", "INSERT INTO t VALUES (1000)", 100132, "out of representable range", "CREATE TABLE t (a NUMBER(5, 2))"),
    says("create view", "CREATE VIEW v AS SELECT 1 AS a", "View V successfully created."),
    says("create view if not exists, there", "CREATE VIEW IF NOT EXISTS v AS SELECT 2 AS a", "V already exists, statement succeeded.", "CREATE VIEW v AS SELECT 1 AS a"),
    Case("create or replace view", "SELECT * FROM v", [(2,)], given=("CREATE VIEW v AS SELECT 1 AS a", "CREATE OR REPLACE VIEW v AS SELECT 2 AS a")),
    Case("view with a column list", "SELECT * FROM v", [(1,)], given=("CREATE VIEW v (b) AS SELECT 1 AS a",), names=("B",)),
    Case("secure view", "SELECT * FROM v", [(1,)], given=("CREATE SECURE VIEW v AS SELECT 1 AS a",)),
    says("create schema", "CREATE SCHEMA battery_new", "Schema BATTERY_NEW successfully created.", "DROP SCHEMA IF EXISTS battery_new"),
    says("create schema if not exists, there", "CREATE SCHEMA IF NOT EXISTS battery_new2", "BATTERY_NEW2 already exists, statement succeeded.", "CREATE SCHEMA IF NOT EXISTS battery_new2"),
    refused("create schema in no database", "CREATE SCHEMA nodb.s", 2043, "does not exist or not authorized"),
    says("create database if not exists", "CREATE DATABASE IF NOT EXISTS telecoms", "TELECOMS already exists, statement succeeded."),
    says("drop table", "DROP TABLE t", "T successfully dropped.", "CREATE TABLE t (a INT)"),
    says("drop table if exists, gone", "DROP TABLE IF EXISTS t", "Drop statement executed successfully (T already dropped)."),
    refused("drop table that is not there", "DROP TABLE t", 2003, "does not exist or not authorized"),
    refused("drop view of a table", "DROP VIEW t", 2203, "Object found is of type 'TABLE'", "CREATE TABLE t (a INT)"),
    says("add column", "ALTER TABLE t ADD COLUMN b VARCHAR", OK, "CREATE TABLE t (a INT)"),
    Case("an added column is null", "SELECT * FROM t", [(1, None)], given=("CREATE TABLE t AS SELECT 1 a", "ALTER TABLE t ADD COLUMN b VARCHAR")),
    Case("an added column has its default", "SELECT * FROM t", [(1, "x")], given=("CREATE TABLE t AS SELECT 1 a", "ALTER TABLE t ADD COLUMN b VARCHAR DEFAULT 'x'")),
    Case("add two columns", "SELECT * FROM t", [(1, None, None)], given=("CREATE TABLE t AS SELECT 1 a", "ALTER TABLE t ADD COLUMN b INT, c INT")),
    Case("drop column", "SELECT * FROM t", [(1,)], given=("CREATE TABLE t AS SELECT 1 a, 2 b", "ALTER TABLE t DROP COLUMN b")),
    Case("rename column", "SELECT * FROM t", [(1,)], given=("CREATE TABLE t AS SELECT 1 a", "ALTER TABLE t RENAME COLUMN a TO b"), names=("B",)),
    Case("rename table", "SELECT * FROM u", [(1,)], given=("CREATE TABLE t AS SELECT 1 a", "ALTER TABLE t RENAME TO u")),
    says("swap", "ALTER TABLE t SWAP WITH u", OK, "CREATE TABLE t AS SELECT 1 a", "CREATE TABLE u AS SELECT 2 b"),
    Case("swapped tables", "SELECT * FROM t", [(2,)], given=("CREATE TABLE t AS SELECT 1 a", "CREATE TABLE u AS SELECT 2 b", "ALTER TABLE t SWAP WITH u"), names=("B",)),
    refused("swap with nothing", "ALTER TABLE t SWAP WITH u", 2003, "does not exist", "CREATE TABLE t (a INT)"),
    Case("sequence", "SELECT q.NEXTVAL, q.NEXTVAL + 0", None, given=("CREATE SEQUENCE q START = 5",), names=("NEXTVAL", "Q.NEXTVAL + 0")),
    says("comment on table", "COMMENT ON TABLE t IS 'it''s a table'", OK, "CREATE TABLE t (a INT)"),
    Case("quoted names keep their case", 'SELECT * FROM "my table"', [(1,)], given=('CREATE TABLE "my table" ("my column" INT)', 'INSERT INTO "my table" VALUES (1)'), names=("my column",)),
]

CHANGES = [  # sql/insert, sql/update, sql/delete, sql/merge, sql/truncate-table
    Case("insert values", "INSERT INTO t VALUES (3, 'x'), (4, 'y')", [(2,)], given=TWO, names=("number of rows inserted",), count=2),
    Case("insert select", "INSERT INTO t SELECT id, v FROM s", [(2,)], given=TWO, count=2),
    Case("insert into some columns", "SELECT * FROM t WHERE id = 9", [(9, None)], given=(*TWO, "INSERT INTO t (id) VALUES (9)")),
    Case("insert overwrite", "SELECT * FROM t", [(7, "x")], given=(*TWO, "INSERT OVERWRITE INTO t SELECT 7, 'x'")),
    refused("insert too few values", "INSERT INTO t VALUES (1)", 2020, "Insert value list does not match column list", *TWO),
    refused("insert into no such column", "INSERT INTO t (nope) VALUES (1)", 904, "invalid identifier 'NOPE'", *TWO),
    refused("insert text into a number", "INSERT INTO t VALUES ('x', 'y')", 100038, "Numeric value 'x' is not recognized", *TWO),
    Case("update", "UPDATE t SET v = UPPER(v) WHERE id = 1", [(1, 0)], given=TWO, names=("number of rows updated", "number of multi-joined rows updated"), count=1),
    Case("update from", "UPDATE t SET v = s.v FROM s WHERE s.id = t.id", [(1, 0)], given=TWO),
    Case("updated from", "SELECT * FROM t ORDER BY id", [(1, "one"), (2, "zwei")], given=(*TWO, "UPDATE t SET t.v = s.v FROM s WHERE s.id = t.id")),
    Case("delete", "DELETE FROM t WHERE id = 1", [(1,)], given=TWO, names=("number of rows deleted",), count=1),
    Case("delete using", "DELETE FROM t USING s WHERE s.id = t.id", [(1,)], given=TWO, count=1),
    Case("merge", "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET t.v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)", [(1, 1)], given=TWO, names=("number of rows inserted", "number of rows updated"), count=2),
    Case("merged", "SELECT * FROM t ORDER BY id", [(1, "one"), (2, "zwei"), (3, "drei")], given=(*TWO, "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)")),
    Case("merge with conditions", "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED AND s.gone THEN DELETE WHEN MATCHED AND s.v <> t.v THEN UPDATE SET v = s.v WHEN NOT MATCHED AND s.id > 5 THEN INSERT VALUES (s.id, s.v)", [(0, 1, 0)], given=TWO, names=("number of rows inserted", "number of rows updated", "number of rows deleted")),
    Case("merge that deletes", "MERGE INTO t USING (SELECT 1 AS id) x ON t.id = x.id WHEN MATCHED THEN DELETE", [(1,)], given=TWO, names=("number of rows deleted",)),
    Case("merge from values", "MERGE INTO t USING (VALUES (1, 'x')) AS n (id, v) ON t.id = n.id WHEN MATCHED THEN UPDATE SET v = n.v", [(1,)], given=TWO),
    Case("merge with aliases", "MERGE INTO t AS a USING s AS b ON a.id = b.id WHEN MATCHED THEN UPDATE SET a.v = b.v", [(1,)], given=TWO),
    refused("merge with two rows for one", "MERGE INTO t USING (SELECT 1 AS id, 'a' AS v UNION ALL SELECT 1, 'b') x ON t.id = x.id WHEN MATCHED THEN UPDATE SET v = x.v", 100090, "Duplicate row detected during DML action", *TWO),
    says("truncate", "TRUNCATE TABLE t", OK, *TWO),
    says("truncate if exists, gone", "TRUNCATE TABLE IF EXISTS nope", OK),
    refused("truncate that is not there", "TRUNCATE TABLE nope", 2003, "does not exist or not authorized"),
    refused("update of no table", "UPDATE nope SET a = 1", 2003, "Object 'NOPE' does not exist or not authorized."),
    Case("insert with a query and CTE", "SELECT COUNT(*) FROM t", [(4,)], given=(*TWO, "INSERT INTO t WITH x AS (SELECT id, v FROM s) SELECT * FROM x")),
    Case("insert null text", "SELECT * FROM t WHERE v IS NULL", [(5, None)], given=(*TWO, "INSERT INTO t VALUES (5, NULL)")),
]

TEMPORARY = [  # user-guide/tables-temp-transient
    says("temporary table", "CREATE TEMPORARY TABLE t (a INT)", "Table T successfully created."),
    says("temp is temporary", "CREATE TEMP TABLE t (a INT)", "Table T successfully created."),
    Case("temporary like", "SELECT * FROM x", [(1, "one")], given=(*TWO, "CREATE TEMPORARY TABLE x LIKE t", "INSERT INTO x SELECT * FROM t WHERE id = 1")),
    Case("temporary as select", "SELECT x.id FROM x WHERE x.id = 1", [(1,)], given=(*TWO, "CREATE TEMPORARY TABLE x AS SELECT * FROM t")),
    Case("a temporary table hides a permanent one", "SELECT * FROM t", [(9,)], given=(*TWO, "CREATE TEMPORARY TABLE t AS SELECT 9 AS a")),
    Case("and shows it again", "SELECT COUNT(*) FROM t", [(2,)], given=(*TWO, "CREATE TEMPORARY TABLE t AS SELECT 9 AS a", "DROP TABLE t")),
    Case("temporary in a join", "SELECT t.v FROM t JOIN x ON x.id = t.id", [("one",)], given=(*TWO, "CREATE TEMPORARY TABLE x AS SELECT 1 AS id")),
    Case("update a temporary table", "SELECT * FROM x", [(2,)], given=("CREATE TEMPORARY TABLE x AS SELECT 1 AS a", "UPDATE x SET a = x.a + 1")),
    Case("merge into a temporary table", "SELECT * FROM x ORDER BY id", [(1, "x"), (2, "zwei"), (3, "drei")], given=(*TWO, "CREATE TEMPORARY TABLE x AS SELECT 1 AS id, 'x' AS v", "MERGE INTO x USING s ON x.id = s.id WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)")),
    Case("describe a temporary table", "DESCRIBE TABLE x", None, given=("CREATE TEMPORARY TABLE x (a INT)",)),
]

LOADING = [  # sql/copy-into-table, user-guide/querying-stage, sql/create-stage, sql/create-file-format, sql/list
    says("create stage", "CREATE STAGE st URL = 's3://telecoms-lake/x/' STORAGE_INTEGRATION = i FILE_FORMAT = (TYPE = PARQUET)", "Stage area ST successfully created."),
    says("create stage if not exists, there", "CREATE STAGE IF NOT EXISTS lake URL = 's3://telecoms-lake/x/'", "LAKE already exists, statement succeeded.", *LAKE),
    refused("create stage that exists", "CREATE STAGE lake URL = 's3://telecoms-lake/x/'", 2002, "Object 'LAKE' already exists", *LAKE),
    says("drop stage", "DROP STAGE lake", "LAKE successfully dropped.", *LAKE),
    says("create file format", "CREATE FILE FORMAT f TYPE = PARQUET", "File format F successfully created."),
    says("create file format if not exists, there", "CREATE FILE FORMAT IF NOT EXISTS commas TYPE = CSV", "COMMAS already exists, statement succeeded.", *LAKE),
    says("create storage integration", "CREATE STORAGE INTEGRATION IF NOT EXISTS i TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE STORAGE_AWS_ROLE_ARN = 'arn:x' STORAGE_ALLOWED_LOCATIONS = ('*')", "Integration I successfully created."),
    Case("copy csv", "COPY INTO people FROM @lake FILES = ('people.csv') FILE_FORMAT = (FORMAT_NAME = commas)", [("s3://telecoms-lake/statements/people.csv", "LOADED", 3, 3, 1, 0, None, None, None, None)], given=(*LAKE, PEOPLE), names=("file", "status", "rows_parsed", "rows_loaded", "error_limit", "errors_seen", "first_error", "first_error_line", "first_error_character", "first_error_column_name")),
    Case("copied csv", "SELECT * FROM people ORDER BY id", [(1, "Ann", day(1990, 1, 2)), (2, "Bob, jr", day(1991, 12, 31)), (3, "Cy", None)], given=(*LAKE, PEOPLE, "COPY INTO people FROM @lake/people.csv FILE_FORMAT = (FORMAT_NAME = 'commas')")),
    Case("copy parquet by name", "COPY INTO people FROM @lake/ FILES = ('people.parquet') FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE FORCE = TRUE PURGE = FALSE ON_ERROR = ABORT_STATEMENT", [("s3://telecoms-lake/statements/people.parquet", "LOADED", 3, 3, 1, 0, None, None, None, None)], given=(*LAKE, PEOPLE)),
    Case("copied parquet", "SELECT * FROM people ORDER BY id", [(1, "Ann", day(1990, 1, 2)), (2, "Bob, jr", day(1991, 12, 31)), (3, "Cy", None)], given=(*LAKE, PEOPLE, "COPY INTO people FROM @lake/people.parquet FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE")),
    Case("columns of the file that the table lacks are left out", "SELECT * FROM people", [(1, None, None), (2, None, None)], given=(*LAKE, PEOPLE, "COPY INTO people FROM @lake/wide.parquet FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE")),
    Case("copy into some columns", "SELECT * FROM people WHERE id = 1", [(1, "Ann", None)], given=(*LAKE, PEOPLE, "COPY INTO people (id, name) FROM (SELECT $1, $2 FROM @lake/people.csv) FILE_FORMAT = (FORMAT_NAME = commas)")),
    Case("copy with a transformation", "SELECT * FROM t ORDER BY 1", [("ANN", "statements/people.parquet"), ("BOB, JR", "statements/people.parquet"), ("CY", "statements/people.parquet")], given=(*LAKE, "CREATE TABLE t (name VARCHAR, file VARCHAR)", "COPY INTO t FROM (SELECT UPPER($1:Name::VARCHAR), METADATA$FILENAME FROM @lake/people.parquet) FILE_FORMAT = (TYPE = PARQUET)")),
    Case("copy parquet into a variant", "SELECT v:Name::VARCHAR FROM t ORDER BY 1", [("Ann",), ("Bob, jr",), ("Cy",)], given=(*LAKE, "CREATE TABLE t (v VARIANT)", "COPY INTO t FROM @lake/people.parquet FILE_FORMAT = (TYPE = PARQUET)")),
    Case("copy json into a variant", "SELECT v:kind::VARCHAR, v:n::INT FROM t ORDER BY 2", [("call", 1), ("chat", 2)], given=(*LAKE, "CREATE TABLE t (v VARIANT)", "COPY INTO t FROM @lake/events.json FILE_FORMAT = (TYPE = JSON)")),
    Case("a pattern matches the whole path", "COPY INTO people FROM @lake PATTERN = '.*people[.]csv' FILE_FORMAT = (FORMAT_NAME = commas)", [("s3://telecoms-lake/statements/people.csv", "LOADED", 3, 3, 1, 0, None, None, None, None)], given=(*LAKE, PEOPLE)),
    says("a file is loaded once", "COPY INTO people FROM @lake/people.csv FILE_FORMAT = (FORMAT_NAME = commas)", "Copy executed with 0 files processed.", *LAKE, PEOPLE, "COPY INTO people FROM @lake/people.csv FILE_FORMAT = (FORMAT_NAME = commas)"),
    Case("force loads it again", "SELECT COUNT(*) FROM people", [(6,)], given=(*LAKE, PEOPLE, "COPY INTO people FROM @lake/people.csv FILE_FORMAT = (FORMAT_NAME = commas)", "COPY INTO people FROM @lake/people.csv FILE_FORMAT = (FORMAT_NAME = commas) FORCE = TRUE")),
    says("force = false does not", "COPY INTO people FROM @lake/people.csv FILE_FORMAT = (FORMAT_NAME = commas) FORCE = FALSE", "Copy executed with 0 files processed.", *LAKE, PEOPLE, "COPY INTO people FROM @lake/people.csv FILE_FORMAT = (FORMAT_NAME = commas)"),
    says("nothing to load", "COPY INTO people FROM @lake/nothing/ FILE_FORMAT = (FORMAT_NAME = commas)", "Copy executed with 0 files processed.", *LAKE, PEOPLE),
    refused("a file that is not there", "COPY INTO people FROM @lake FILES = ('nope.csv') FILE_FORMAT = (FORMAT_NAME = commas)", 91016, "Remote file 'statements/nope.csv' was not found", *LAKE, PEOPLE),
    refused("not Parquet", "COPY INTO people FROM @lake FILES = ('broken.parquet') FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE", 100152, "File 'statements/broken.parquet'", *LAKE, PEOPLE),
    refused("a date that is none", "COPY INTO people FROM @lake FILES = ('bad_date.csv') FILE_FORMAT = (FORMAT_NAME = commas)", 100040, "Date '31/31/2020' is not recognized\n  File 'statements/bad_date.csv', line", *LAKE, PEOPLE),
    refused("a field too many", "COPY INTO people FROM @lake FILES = ('many.csv') FILE_FORMAT = (FORMAT_NAME = commas)", 100080, "Number of columns in file (4) does not match that of the corresponding table (3)", *LAKE, PEOPLE),
    refused("Parquet without matching by name", "COPY INTO people FROM @lake/people.parquet FILE_FORMAT = (TYPE = PARQUET)", 2019, "can produce one and only one column of type variant", *LAKE, PEOPLE),
    refused("copy from no stage", "COPY INTO people FROM @nostage", 2003, "does not exist or not authorized", PEOPLE),
    refused("copy into no table", "COPY INTO nope FROM @lake", 2003, "does not exist or not authorized", *LAKE),
    refused("no such file format", "COPY INTO people FROM @lake FILE_FORMAT = (FORMAT_NAME = nope)", 2003, "File format", *LAKE, PEOPLE),
    Case("list", "LIST @lake/people", None, given=LAKE, names=("name", "size", "md5", "last_modified"), count=2),
    Case("list with a pattern", "LIST @lake PATTERN = '.*[.]json'", None, given=LAKE, count=1),
    Case("list nothing", "LIST @lake/nothing", [], given=LAKE),
    Case("query a stage", "SELECT $1, $2 FROM @lake/people.csv (FILE_FORMAT => commas) ORDER BY $1", [("1", "Ann"), ("2", "Bob, jr"), ("3", "Cy")], given=LAKE),
    Case("query a stage by its name as text", "SELECT $2 FROM '@lake/people.csv' (FILE_FORMAT => 'commas') ORDER BY $1 LIMIT 1", [("Ann",)], given=LAKE),
    Case("metadata columns", "SELECT METADATA$FILENAME, METADATA$FILE_ROW_NUMBER FROM @lake/people.csv (FILE_FORMAT => commas) ORDER BY 2 LIMIT 1", [("statements/people.csv", 1)], given=LAKE, names=("METADATA$FILENAME", "METADATA$FILE_ROW_NUMBER")),
    Case("load history", "SELECT FILE_NAME, ROW_COUNT, STATUS FROM INFORMATION_SCHEMA.LOAD_HISTORY WHERE TABLE_NAME = 'PEOPLE' AND SCHEMA_NAME = CURRENT_SCHEMA()", [("s3://telecoms-lake/statements/people.csv", 3, "LOADED")], given=(*LAKE, PEOPLE, "COPY INTO people FROM @lake/people.csv FILE_FORMAT = (FORMAT_NAME = commas)")),
    Case("on_error = continue", "COPY INTO people FROM @lake FILES = ('bad_date.csv') FILE_FORMAT = (FORMAT_NAME = commas) ON_ERROR = CONTINUE", None, given=(*LAKE, PEOPLE), count=1),
    Case("on_error = skip_file", "COPY INTO people FROM @lake FILES = ('bad_date.csv', 'people.csv') FILE_FORMAT = (FORMAT_NAME = commas) ON_ERROR = SKIP_FILE", None, given=(*LAKE, PEOPLE), count=2),
    Case("validation mode", "COPY INTO people FROM @lake/people.csv FILE_FORMAT = (FORMAT_NAME = commas) VALIDATION_MODE = RETURN_ERRORS", [], given=(*LAKE, PEOPLE)),
    Case("unload", "COPY INTO @lake/unloaded/ FROM people FILE_FORMAT = (TYPE = PARQUET)", None, given=(*LAKE, PEOPLE)),
    Case("infer schema", "SELECT COLUMN_NAME FROM TABLE(INFER_SCHEMA(LOCATION => '@lake/people.parquet', FILE_FORMAT => 'commas'))", None, given=LAKE, count=3),
]

TEXTS = [  # functions/...
    value("upper and lower", "UPPER('aB') || LOWER('aB')", "ABab", kind=TEXT),
    value("initcap", "INITCAP('the quick-brown fOX')", "The Quick-Brown Fox"),
    value("split_part", "SPLIT_PART('a.b.c', '.', 2)", "b"),
    value("split_part from the end", "SPLIT_PART('a.b.c', '.', -1)", "c"),
    value("split_part beyond", "SPLIT_PART('a.b.c', '.', 9)", ""),
    value("split_part 0 is 1", "SPLIT_PART('a.b.c', '.', 0)", "a"),
    value("regexp_replace", r"REGEXP_REPLACE('a1b22', '[0-9]+', '#')", "a#b#"),
    value("regexp_replace removes", r"REGEXP_REPLACE('a1b22', '[0-9]+')", "ab"),
    value("regexp_replace with a group", r"REGEXP_REPLACE('firstname middlename lastname', '(.*) (.*) (.*)', '\\3, \\1 \\2')", "lastname, firstname middlename"),
    value("regexp_replace case-insensitively", "REGEXP_REPLACE('aAbB', 'a', '-', 1, 0, 'i')", "--bB"),
    value("regexp_substr", r"REGEXP_SUBSTR('x 12 y 345', '[0-9]+', 1, 2)", "345"),
    value("regexp_substr without a match", "REGEXP_SUBSTR('abc', '[0-9]+')", None),
    value("regexp_like matches the whole", "REGEXP_LIKE('abc', 'b')", False, kind=BOOLEAN),
    value("rlike", "'abc' RLIKE 'a.*'", True),
    value("regexp_count", "REGEXP_COUNT('a1b22', '[0-9]')", 3),
    value("trim", "TRIM('  a ') || '|' || LTRIM('00a0', '0') || '|' || RTRIM('a  ')", "a|a0|a"),
    value("concat with null", "CONCAT('a', NULL)", None),
    value("concat_ws", "CONCAT_WS('-', 'a', 'b')", "a-b"),
    value("pipes with null", "'a' || NULL", None),
    value("length", "LENGTH('häß')", 3, kind=FIXED),
    value("left and right", "LEFT('abcd', 2) || RIGHT('abcd', 1)", "abd"),
    value("substr", "SUBSTR('abcdef', 2, 3)", "bcd"),
    value("substr from the end", "SUBSTR('abcdef', -2)", "ef"),
    value("lpad", "LPAD('7', 3, '0')", "007"),
    value("replace", "REPLACE('a-b-c', '-', '')", "abc"),
    value("position", "POSITION('b' IN 'abc') + CHARINDEX('c', 'abc')", 5),
    value("contains", "CONTAINS('abc', 'b') AND STARTSWITH('abc', 'a') AND ENDSWITH('abc', 'c')", True),
    value("ilike", "'ABC' ILIKE 'a%'", True),
    value("like any", "'abc' LIKE ANY ('x%', 'a%')", True),
    value("md5", "MD5('Snowflake')", "edf1439075a83a447fb8b630ddc9c8de"),
    value("sha2", "SHA2('a')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    value("translate", "TRANSLATE('abc', 'ab', 'x')", "xc"),
    value("reverse and repeat", "REVERSE('ab') || REPEAT('x', 2)", "baxx"),
    value("ascii and chr", "ASCII('a') || CHR(98)", "97b"),
    value("upper of a number", "UPPER(12)", "12"),
    value("a backslash in a constant", r"'a\\b'", "a\\b"),
    value("a quote in a constant", "'it''s'", "it's"),
    value("a dollar-quoted constant", "$$it's $5$$", "it's $5"),
]

DATES = [  # functions/to_date, functions/dateadd, functions/datediff, functions/date_trunc, ...
    value("to_date", "TO_DATE('2024-02-29')", day(2024, 2, 29), kind=DATE),
    value("to_date with a format", "TO_DATE('29/02/2024', 'DD/MM/YYYY')", day(2024, 2, 29)),
    refused("to_date of nonsense", "SELECT TO_DATE('nonsense')", 100040, "Date 'nonsense' is not recognized"),
    refused("to_date in another format", "SELECT TO_DATE('2024-02-29', 'DD/MM/YYYY')", 100096, "Can't parse '2024-02-29' as date with format 'DD/MM/YYYY'"),
    value("try_to_date", "TRY_TO_DATE('2024-02-30')", None),
    value("try_to_date with a format", "TRY_TO_DATE('31/12/2024', 'DD/MM/YYYY')", day(2024, 12, 31), kind=DATE),
    value("try_to_date with a format that does not fit", "TRY_TO_DATE('2024-12-31', 'DD/MM/YYYY')", None),
    value("try_to_date with a month name", "TRY_TO_DATE('05-Mar-2024', 'DD-MON-YYYY')", day(2024, 3, 5)),
    value("try_to_date of null", "TRY_TO_DATE(NULL::VARCHAR)", None),
    value("cast to date", "'2024-01-02'::DATE", day(2024, 1, 2)),
    value("date of a timestamp", "'2024-01-02 03:04:05'::TIMESTAMP_NTZ::DATE", day(2024, 1, 2)),
    value("try_to_timestamp_ntz", "TRY_TO_TIMESTAMP_NTZ('2024-01-02 03:04:05')", at(2024, 1, 2, 3, 4, 5), kind=TIMESTAMP_NTZ),
    value("try_to_timestamp_ntz of nonsense", "TRY_TO_TIMESTAMP_NTZ('x')", None),
    value("try_to_timestamp_ntz with a format", "TRY_TO_TIMESTAMP_NTZ('02/01/2024 03:04', 'DD/MM/YYYY HH24:MI')", at(2024, 1, 2, 3, 4)),
    value("try_to_timestamp", "TRY_TO_TIMESTAMP('2024-01-02T03:04:05')", at(2024, 1, 2, 3, 4, 5)),
    value("to_timestamp_ntz of seconds", "TO_TIMESTAMP_NTZ(1700000000)", at(2023, 11, 14, 22, 13, 20)),
    value("to_timestamp_ntz of milliseconds", "TO_TIMESTAMP_NTZ(1700000000123, 3)", at(2023, 11, 14, 22, 13, 20, 123000)),
    value("to_timestamp with a format", "TO_TIMESTAMP('2024.01.02 03-04-05', 'YYYY.MM.DD HH24-MI-SS')", at(2024, 1, 2, 3, 4, 5)),
    value("null timestamp", "NULL::TIMESTAMP_NTZ", None, kind=TIMESTAMP_NTZ),
    Case("null among timestamps", "SELECT * FROM (VALUES ('2024-01-01'::TIMESTAMP_NTZ), (NULL)) ORDER BY 1 NULLS LAST", [(at(2024, 1, 1),), (None,)]),
    value("microseconds", "'2024-01-02 03:04:05.123456'::TIMESTAMP_NTZ", at(2024, 1, 2, 3, 4, 5, 123456)),
    value("before 1970", "'1969-12-31 23:59:59.5'::TIMESTAMP_NTZ", at(1969, 12, 31, 23, 59, 59, 500000)),
    value("timestamp_tz", "'2024-01-02 03:04:05 +0000'::TIMESTAMP_TZ", at(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), kind=TIMESTAMP_TZ),
    value("dateadd days", "DATEADD(DAY, 30, '2024-01-31'::DATE)", day(2024, 3, 1), kind=DATE),
    value("dateadd months keeps to the month", "DATEADD(MONTH, 1, '2024-01-31'::DATE)", day(2024, 2, 29)),
    value("dateadd hours of a date", "DATEADD(HOUR, 2, '2024-01-01'::DATE)", at(2024, 1, 1, 2), kind=TIMESTAMP_NTZ),
    value("dateadd of a timestamp", "DATEADD('minute', -5, '2024-01-01 00:00:00'::TIMESTAMP_NTZ)", at(2023, 12, 31, 23, 55)),
    value("datediff days", "DATEDIFF(DAY, '2024-01-01'::DATE, '2024-03-01'::DATE)", 60, kind=FIXED),
    value("datediff counts boundaries", "DATEDIFF(YEAR, '2023-12-31'::DATE, '2024-01-01'::DATE)", 1),
    value("datediff seconds", "DATEDIFF('second', '2024-01-01 00:00:00'::TIMESTAMP_NTZ, '2024-01-01 00:02:03'::TIMESTAMP_NTZ)", 123),
    value("datediff minutes counts boundaries", "DATEDIFF(MINUTE, '2024-01-01 00:00:59'::TIMESTAMP_NTZ, '2024-01-01 00:01:00'::TIMESTAMP_NTZ)", 1),
    value("timestampdiff", "TIMESTAMPDIFF(HOUR, '2024-01-01'::TIMESTAMP_NTZ, '2024-01-02'::TIMESTAMP_NTZ)", 24),
    value("dates minus dates", "'2024-01-03'::DATE - '2024-01-01'::DATE", 2, kind=FIXED),
    value("date plus number", "'2024-01-03'::DATE + 1", day(2024, 1, 4)),
    value("date_trunc of a date", "DATE_TRUNC('MONTH', '2024-05-17'::DATE)", day(2024, 5, 1), kind=DATE),
    value("date_trunc of a timestamp", "DATE_TRUNC(HOUR, '2024-05-17 03:59:00'::TIMESTAMP_NTZ)", at(2024, 5, 17, 3)),
    value("last_day", "LAST_DAY('2024-02-10'::DATE)", day(2024, 2, 29)),
    value("year, month, day", "YEAR('2024-05-17'::DATE) * 10000 + MONTH('2024-05-17'::DATE) * 100 + DAY('2024-05-17'::DATE)", 20240517),
    value("extract", "EXTRACT(DOW FROM '2024-05-19'::DATE)", 0),
    value("date_part epoch", "DATE_PART(EPOCH_SECOND, '1970-01-02'::TIMESTAMP_NTZ)", 86400),
    value("dayname", "DAYNAME('2024-05-17'::DATE) || MONTHNAME('2024-05-17'::DATE)", "FriMay"),
    value("to_char of a date", "TO_CHAR('2024-05-07'::DATE, 'DD/MM/YYYY')", "07/05/2024"),
    value("to_char of a timestamp", "TO_CHAR('2024-05-07 13:04:05'::TIMESTAMP_NTZ, 'YYYY-MM-DD HH24:MI:SS')", "2024-05-07 13:04:05"),
    value("to_char with names", "TO_CHAR('2024-05-07'::DATE, 'DY, DD MON YY')", "Tue, 07 May 24"),
    value("date_from_parts", "DATE_FROM_PARTS(2024, 2, 29)", day(2024, 2, 29)),
    value("current_date is a date", "CURRENT_DATE() = CURRENT_TIMESTAMP()::DATE", True),
    Case("current_timestamp has a zone", "SELECT CURRENT_TIMESTAMP()", None, types=(TIMESTAMP_LTZ,)),
    value("convert_timezone", "CONVERT_TIMEZONE('UTC', 'America/New_York', '2024-01-01 12:00:00'::TIMESTAMP_NTZ)", at(2024, 1, 1, 7)),
    value("time", "'03:04:05'::TIME", datetime.time(3, 4, 5), kind=TIME),
    value("next_day", "NEXT_DAY('2024-05-17'::DATE, 'mo')", day(2024, 5, 20)),
    value("months_between", "MONTHS_BETWEEN('2024-03-01'::DATE, '2024-01-01'::DATE) = 2", True),
]

CONVERSIONS = [  # functions/try_cast, functions/iff, functions/decode, data-type-conversion, operators-arithmetic
    value("try_cast", "TRY_CAST('12' AS INT)", 12, kind=FIXED),
    value("try_cast of nonsense", "TRY_CAST('x' AS INT)", None),
    value("try_cast to a date", "TRY_CAST('2024-13-01' AS DATE)", None),
    value("try_to_number", "TRY_TO_NUMBER('1x')", None),
    value("try_to_number with scale", "TRY_TO_NUMBER('12.345', 10, 2)", Decimal("12.35")),
    value("to_number rounds", "TO_NUMBER('12.6')", 13, kind=FIXED),
    value("to_varchar", "TO_VARCHAR(12.50::NUMBER(6, 2))", "12.50"),
    value("to_boolean", "TO_BOOLEAN('yes') AND TO_BOOLEAN('1')", True, kind=BOOLEAN),
    value("try_to_boolean", "TRY_TO_BOOLEAN('maybe')", None),
    refused("cast of nonsense", "SELECT 'x'::INT", 100038, "Numeric value 'x' is not recognized"),
    refused("boolean of nonsense", "SELECT 'x'::BOOLEAN", 100037, "Boolean value 'x' is not recognized"),
    value("cast rounds half away from zero", "2.5::INT + (-2.5)::INT * 10", -27),
    value("coalesce", "COALESCE(NULL, NULL, 'c')", "c"),
    value("nvl and ifnull", "NVL(NULL, 'a') || IFNULL(NULL, 'b')", "ab"),
    value("nvl2", "NVL2(NULL, 'set', 'unset')", "unset"),
    value("iff", "IFF(1 > 0, 'yes', 'no')", "yes"),
    value("iff of null is false", "IFF(NULL, 'yes', 'no')", "no"),
    value("decode", "DECODE(2, 1, 'one', 2, 'two', 'many')", "two"),
    value("decode finds null", "DECODE(NULL, 1, 'one', NULL, 'null')", "null"),
    value("nullif", "NULLIF('a', 'a')", None),
    value("zeroifnull", "ZEROIFNULL(NULL) + NULLIFZERO(2)", 2),
    value("case", "CASE WHEN NULL THEN 1 WHEN TRUE THEN 2 END", 2),
    value("equal_null", "EQUAL_NULL(NULL, NULL)", True),
    value("is distinct from", "1 IS DISTINCT FROM NULL", True),
    value("greatest with null", "GREATEST(1, NULL)", None),
    value("least", "LEAST(3, 1, 2)", 1),
    value("integer division has six places", "7 / 2", Decimal("3.500000"), kind=FIXED),
    value("a third", "1 / 3", Decimal("0.333333")),
    refused("division by zero", "SELECT 1 / 0", 100051, "Division by zero"),
    value("div0", "DIV0(1, 0)", Decimal("0.000000")),
    value("modulo", "MOD(-7, 3)", -1),
    value("round half away from zero", "ROUND(2.5) - ROUND(-2.5)", 6),
    value("round to places", "ROUND(1.2345, 2)", Decimal("1.2300")),
    value("floor and ceil", "FLOOR(1.7) + CEIL(1.2)", 3),
    value("integers beyond 32 bits", "2147483647 + 1", 2147483648),
    value("integers beyond 64 bits", "9223372036854775807 + 1", 9223372036854775808),
    value("power", "POWER(2, 10)", 1024.0, kind=REAL),
    value("float", "1.5::FLOAT", 1.5, kind=REAL),
    value("number with a scale", "1.50::NUMBER(5, 2)", Decimal("1.50"), kind=FIXED),
    value("text to number by arithmetic", "'3' + 4", 7),
    value("boolean", "TRUE", True, kind=BOOLEAN),
    value("binary", "TO_BINARY('ff', 'HEX')", bytearray(b"\xff"), kind=BINARY),
    value("null", "NULL", None),
    value("uuid", "LENGTH(UUID_STRING())", 36),
    value("bitand", "BITAND(6, 3)", 2),
    value("typeof a variant", "TYPEOF(PARSE_JSON('1'))", "INTEGER"),
    value("hash of equals is equal", "HASH(1) = HASH(1)", True),
]

QUERIES = [  # constructs/qualify, constructs/values, functions/listagg, functions-analytic, ...
    Case("count star", "SELECT COUNT(*) FROM staff", [(4,)], given=STAFF, names=("COUNT(*)",), types=(FIXED,)),
    Case("count distinct", "SELECT COUNT(DISTINCT dept), COUNT(pay) FROM staff", [(2, 3)], given=STAFF),
    Case("count_if", "SELECT COUNT_IF(pay > 10) FROM staff", [(2,)], given=STAFF),
    Case("sum keeps integers", "SELECT SUM(id) FROM staff", [(10,)], given=STAFF, types=(FIXED,)),
    Case("sum keeps the scale", "SELECT SUM(pay) FROM staff", [(Decimal("60.00"),)], given=STAFF, types=(FIXED,)),
    Case("sum of text", "SELECT SUM(v) FROM (VALUES ('1'), ('2')) x (v)", [(3.0,)], types=(REAL,)),
    Case("avg of integers", "SELECT AVG(id) FROM staff", [(Decimal("2.500000"),)], given=STAFF),
    Case("min and max", "SELECT MIN(dept), MAX(pay) FROM staff", [("a", Decimal("30.00"))], given=STAFF),
    Case("median", "SELECT MEDIAN(id) = 2.5 FROM staff", [(True,)], given=STAFF),
    Case("group by and having", "SELECT dept, COUNT(*) AS n FROM staff GROUP BY dept HAVING n = 2 ORDER BY dept", [("a", 2), ("b", 2)], given=STAFF),
    Case("group by position", "SELECT dept, SUM(id) FROM staff GROUP BY 1 ORDER BY 1", [("a", 3), ("b", 7)], given=STAFF),
    Case("group by all", "SELECT dept, SUM(id) FROM staff GROUP BY ALL ORDER BY 1", [("a", 3), ("b", 7)], given=STAFF),
    Case("group by rollup", "SELECT dept, SUM(id) FROM staff GROUP BY ROLLUP (dept) ORDER BY dept NULLS LAST", [("a", 3), ("b", 7), (None, 10)], given=STAFF),
    refused("a column outside the group", "SELECT dept, id FROM staff GROUP BY dept", 979, "is neither an aggregate nor in the group by clause", *STAFF),
    Case("listagg", "SELECT LISTAGG(id, ',') WITHIN GROUP (ORDER BY id DESC) FROM staff", [("4,3,2,1",)], given=STAFF),
    Case("listagg distinct", "SELECT LISTAGG(DISTINCT dept, '|') WITHIN GROUP (ORDER BY dept) FROM staff", [("a|b",)], given=STAFF),
    Case("listagg of nothing is empty", "SELECT LISTAGG(dept, ',') FROM staff WHERE FALSE", [("",)], given=STAFF),
    Case("qualify", "SELECT id FROM staff QUALIFY ROW_NUMBER() OVER (PARTITION BY dept ORDER BY id DESC) = 1 ORDER BY id", [(2,), (4,)], given=STAFF),
    Case("qualify on an alias", "SELECT id, RANK() OVER (ORDER BY dept) AS r FROM staff QUALIFY r > 1 ORDER BY id", [(3, 3), (4, 3)], given=STAFF),
    Case("row_number with two partitions", "SELECT id, ROW_NUMBER() OVER (PARTITION BY dept ORDER BY id) FROM staff ORDER BY id", [(1, 1), (2, 2), (3, 1), (4, 2)], given=STAFF),
    Case("lag and lead", "SELECT LAG(id) OVER (ORDER BY id), LEAD(id, 1, 0) OVER (ORDER BY id) FROM staff ORDER BY id", [(None, 2), (1, 3), (2, 4), (3, 0)], given=STAFF),
    Case("first_value and last_value", "SELECT DISTINCT FIRST_VALUE(id) OVER (PARTITION BY dept ORDER BY id), LAST_VALUE(id) OVER (PARTITION BY dept ORDER BY id) FROM staff ORDER BY 1", [(1, 2), (3, 4)], given=STAFF),
    Case("a running sum", "SELECT SUM(id) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM staff ORDER BY 1", [(1,), (3,), (6,), (10,)], given=STAFF),
    Case("ratio_to_report", "SELECT RATIO_TO_REPORT(id) OVER () FROM staff WHERE id = 1", None, given=STAFF, count=1),
    Case("nulls come last", "SELECT pay FROM staff ORDER BY pay", [(Decimal("10.00"),), (Decimal("20.00"),), (Decimal("30.00"),), (None,)], given=STAFF),
    Case("nulls come first descending", "SELECT pay FROM staff ORDER BY pay DESC LIMIT 1", [(None,)], given=STAFF),
    Case("values", "SELECT * FROM VALUES (1, 'a'), (2, 'b')", [(1, "a"), (2, "b")], names=("COLUMN1", "COLUMN2"), ordered=False),
    Case("values by name", "SELECT column1 + 1 FROM VALUES (1), (2) ORDER BY 1", [(2,), (3,)]),
    Case("values with names", "SELECT v.x FROM (VALUES (1)) AS v (x)", [(1,)]),
    Case("values by position", "SELECT $1, $2 FROM VALUES (1, 'a')", [(1, "a")], names=("$1", "$2")),
    Case("common table expressions", "WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT y FROM b", [(2,)]),
    Case("a table expression hides a table", "WITH staff AS (SELECT * FROM staff WHERE id = 1) SELECT id FROM staff", [(1,)], given=STAFF),
    Case("recursive", "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n ORDER BY i", [(1,), (2,), (3,)]),
    Case("an alias in the same select", "SELECT 1 AS a, a + 1 AS b", [(1, 2)]),
    Case("an alias in where", "SELECT id * 2 AS d FROM staff WHERE d = 4", [(4,)], given=STAFF),
    Case("join using", "SELECT a.id FROM staff a JOIN staff b USING (id) WHERE b.id = 1", [(1,)], given=STAFF),
    Case("left join", "SELECT t.id, s.v FROM t LEFT JOIN s ON s.id = t.id ORDER BY 1", [(1, None), (2, "zwei")], given=TWO),
    Case("union and except", "SELECT 1 AS a UNION SELECT 1 UNION ALL SELECT 2 EXCEPT SELECT 3", [(1,), (2,)], ordered=False),
    Case("exists", "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM s WHERE s.id = t.id)", [(2,)], given=TWO),
    Case("in a subquery", "SELECT id FROM t WHERE id NOT IN (SELECT id FROM s)", [(1,)], given=TWO),
    refused("a subquery with two rows", "SELECT (SELECT id FROM t)", 90150, "Single-row subquery returns more than one row", *TWO),
    Case("top", "SELECT TOP 1 id FROM t ORDER BY id", [(1,)], given=TWO),
    Case("limit and offset", "SELECT id FROM t ORDER BY id LIMIT 1 OFFSET 1", [(2,)], given=TWO),
    Case("star with exclude", "SELECT * EXCLUDE (v) FROM t ORDER BY id", [(1,), (2,)], given=TWO),
    Case("star with rename", "SELECT * RENAME (v AS w) FROM t LIMIT 1", None, given=TWO, names=("ID", "W")),
    Case("pivot", "SELECT * FROM (SELECT dept, id FROM staff) PIVOT (SUM(id) FOR dept IN ('a', 'b'))", [(3, 7)], given=STAFF, names=("'a'", "'b'")),
    Case("generator", "SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 5))", [(5,)]),
    Case("hash_agg does not depend on order", "SELECT (SELECT HASH_AGG(id) FROM staff) = (SELECT HASH_AGG(id) FROM (SELECT id FROM staff ORDER BY id DESC))", [(True,)], given=STAFF),
    Case("an md5 of all", "SELECT MD5(LISTAGG(id, ',') WITHIN GROUP (ORDER BY id)) FROM staff", [("f8ef5bbac13edd1c0251d9200be10bf6",)], given=STAFF),
    Case("any_value, max_by and min_by", "SELECT ANY_VALUE(dept), MAX_BY(dept, id), MIN_BY(dept, id) FROM staff WHERE dept = 'a'", [("a", "a", "a")], given=STAFF),
    Case("approx_count_distinct", "SELECT APPROX_COUNT_DISTINCT(dept) FROM staff", [(2,)], given=STAFF),
    Case("boolor_agg", "SELECT BOOLOR_AGG(id > 3), BOOLAND_AGG(id > 3) FROM staff", [(True, False)], given=STAFF),
    Case("names of expressions", "SELECT 1+1, 'a', MAX(id), t.id + 1 AS \"n\" FROM t GROUP BY t.id LIMIT 0", [], given=TWO, names=("1+1", "'A'", "MAX(ID)", "n")),
    Case("a table by its name as text", "SELECT id FROM IDENTIFIER('t') ORDER BY 1", [(1,), (2,)], given=TWO),
    Case("a table by a variable", "SELECT COUNT(*) FROM IDENTIFIER($name)", [(2,)], given=(*TWO, "SET name = 't'")),
    refused("files of the machine", "SELECT * FROM 'x.csv'", 1003, "unexpected ''x.csv''"),
    refused("functions that read files", "SELECT * FROM READ_CSV('x.csv')", 2140, "Unknown function READ_CSV"),
    refused("functions that read the environment", "SELECT GETENV('HOME')", 2140, "Unknown function GETENV"),
    Case("a comment behind the semicolon", "SELECT 1; -- done", [(1,)]),
    Case("comments of all kinds", "/* a */ SELECT 1 -- b\n + 1 // c\n", [(2,)]),
    refused("no such table", "SELECT * FROM nope", 2003, "Object 'NOPE' does not exist or not authorized."),
    refused("no such table, in full", "SELECT * FROM raw.nope", 2003, "Object 'RAW.NOPE' does not exist or not authorized."),
    refused("no such column", "SELECT nope FROM t", 904, "invalid identifier 'NOPE'", *TWO),
    refused("no such function", "SELECT NO_SUCH_FUNCTION(1)", 2140, "Unknown function NO_SUCH_FUNCTION"),
    refused("ambiguous", "SELECT id FROM t JOIN s ON TRUE", 1052, "ambiguous column name 'ID'", *TWO),
    refused("syntax", "SELECT FROM WHERE", 1003, "syntax error line 1 at position"),
    refused("nonsense", "SELEC 1", 1003, "syntax error line 1 at position 0 unexpected 'SELEC'"),
    refused("nothing", "-- nothing", 900, "Empty SQL statement"),
    refused("two statements", "SELECT 1; SELECT 2", 8, "Actual statement count 2 did not match the desired statement count 1"),
]

SEMISTRUCTURED = [  # user-guide/querying-semistructured, functions/flatten, functions/object_construct
    value("parse_json", 'PARSE_JSON(\'{"b": 1, "a": [1, 2]}\')', '{\n  "a": [\n    1,\n    2\n  ],\n  "b": 1\n}', kind=VARIANT),
    value("a path as text", 'PARSE_JSON(\'{"a": {"b": "x"}}\'):a.b::VARCHAR', "x", kind=TEXT),
    value("a path as number", 'PARSE_JSON(\'{"a": {"b": 3}}\'):a.b::INT', 3, kind=FIXED),
    value("a path is a variant", 'PARSE_JSON(\'{"a": "x"}\'):a', '"x"', kind=VARIANT),
    value("a path in brackets", "PARSE_JSON('{\"a b\": [5, 6]}')['a b'][1]::INT", 6),
    value("a missing path", "PARSE_JSON('{}'):a::VARCHAR", None),
    value("try_parse_json", "TRY_PARSE_JSON('{')", None),
    refused("parse_json of nonsense", "SELECT PARSE_JSON('{')", 100069, "Error parsing JSON"),
    value("object_construct leaves nulls out", "OBJECT_CONSTRUCT('a', 1, 'b', NULL)", '{\n  "a": 1\n}', kind=OBJECT),
    value("array_construct", "ARRAY_CONSTRUCT(1, 'a', NULL)", '[\n  1,\n  "a",\n  undefined\n]', kind=ARRAY),
    value("array_size", "ARRAY_SIZE(PARSE_JSON('[1, 2, 3]'))", 3, kind=FIXED),
    value("array_contains", "ARRAY_CONTAINS('a'::VARIANT, ARRAY_CONSTRUCT('a', 'b'))", True),
    value("get", "GET(PARSE_JSON('{\"a\": 1}'), 'a')::INT", 1),
    value("object_keys", 'OBJECT_KEYS(PARSE_JSON(\'{"b": 1, "a": 2}\'))', '[\n  "a",\n  "b"\n]', kind=ARRAY),
    value("to_json", "TO_JSON(PARSE_JSON('{\"a\": 1}'))", '{"a":1}', kind=TEXT),
    value("is_null_value", "IS_NULL_VALUE(PARSE_JSON('{\"a\": null}'):a)", True),
    Case("flatten", "SELECT f.index, f.value::INT FROM TABLE(FLATTEN(INPUT => PARSE_JSON('[7, 8]'))) f ORDER BY 1", [(0, 7), (1, 8)]),
    Case("lateral flatten", "SELECT t.id, f.value::VARCHAR FROM t, LATERAL FLATTEN(INPUT => SPLIT(t.v, 'w')) f WHERE t.id = 2 ORDER BY f.index", [(2, "t"), (2, "o")], given=TWO),
    Case("array_agg", "SELECT ARRAY_AGG(id) WITHIN GROUP (ORDER BY id DESC) FROM t", [("[\n  2,\n  1\n]",)], given=TWO, types=(ARRAY,)),
    Case("object_agg", "SELECT OBJECT_AGG(v, id) FROM t WHERE id = 1", [('{\n  "one": 1\n}',)], given=TWO, types=(OBJECT,)),
    Case("a variant column as text", "SELECT v::VARCHAR FROM j", [("s",), ('{"a":1}',)], given=("CREATE TABLE j (v VARIANT)", "INSERT INTO j SELECT PARSE_JSON('{\"a\": 1}')", "INSERT INTO j SELECT PARSE_JSON('\"s\"')"), ordered=False),
    Case("a variant column", "SELECT v:a::INT FROM j", [(1,)], given=("CREATE TABLE j (v VARIANT)", "INSERT INTO j SELECT PARSE_JSON('{\"a\": 1}')")),
]

SHOWN = [  # info-schema/tables, info-schema/columns, sql/show-tables, sql/desc-table, functions/get_ddl
    Case("information_schema.tables", "SELECT table_name, table_type, row_count FROM INFORMATION_SCHEMA.TABLES WHERE table_schema = CURRENT_SCHEMA() ORDER BY 1", [("S", "BASE TABLE", 2), ("T", "BASE TABLE", 2)], given=TWO),
    Case("information_schema.tables has views", "SELECT table_type FROM INFORMATION_SCHEMA.TABLES WHERE table_schema = CURRENT_SCHEMA() AND table_name = 'V'", [("VIEW",)], given=("CREATE VIEW v AS SELECT 1 AS a",)),
    Case("information_schema.columns", "SELECT column_name, data_type, is_nullable, ordinal_position FROM INFORMATION_SCHEMA.COLUMNS WHERE table_schema = CURRENT_SCHEMA() AND table_name = 'P' ORDER BY ordinal_position", [("ID", "NUMBER", "NO", 1), ("NAME", "TEXT", "YES", 2), ("AT", "TIMESTAMP_NTZ", "YES", 3), ("V", "VARIANT", "YES", 4), ("F", "FLOAT", "YES", 5), ("B", "BOOLEAN", "YES", 6), ("D", "DATE", "YES", 7)], given=("CREATE TABLE p (id INT NOT NULL, name VARCHAR(10), at TIMESTAMP_NTZ, v VARIANT, f FLOAT, b BOOLEAN, d DATE)",)),
    Case("numeric precision", "SELECT numeric_precision, numeric_scale FROM INFORMATION_SCHEMA.COLUMNS WHERE table_schema = CURRENT_SCHEMA() ORDER BY ordinal_position", [(38, 0), (10, 2)], given=("CREATE TABLE p (a INT, b NUMBER(10, 2))",)),
    Case("character length", "SELECT character_maximum_length FROM INFORMATION_SCHEMA.COLUMNS WHERE table_schema = CURRENT_SCHEMA() ORDER BY ordinal_position", [(10,), (16777216,)], given=("CREATE TABLE p (a VARCHAR(10), b VARCHAR)",)),
    Case("information_schema.schemata", "SELECT COUNT(*) FROM INFORMATION_SCHEMA.SCHEMATA WHERE schema_name = CURRENT_SCHEMA()", [(1,)]),
    Case("information_schema.views", "SELECT table_name FROM INFORMATION_SCHEMA.VIEWS WHERE table_schema = CURRENT_SCHEMA()", [("V",)], given=("CREATE VIEW v AS SELECT 1 AS a",)),
    Case("describe table", "DESCRIBE TABLE p", [("ID", "NUMBER(38,0)", "COLUMN", "N", None, "N", "N", None, None, None, None, None), ("NAME", "VARCHAR(10)", "COLUMN", "Y", "'x'", "N", "N", None, None, None, None, None)], given=("CREATE TABLE p (id INT NOT NULL, name VARCHAR(10) DEFAULT 'x')",)),
    Case("describe other types", "DESC TABLE p", None, given=("CREATE TABLE p (a TIMESTAMP_NTZ, b FLOAT, c BOOLEAN)",), count=3),
    refused("describe nothing", "DESCRIBE TABLE nope", 2003, "does not exist or not authorized"),
    Case("show tables", "SHOW TABLES", None, given=TWO, count=2),
    Case("show tables like", "SHOW TABLES LIKE 's%'", None, given=TWO, count=1),
    Case("show tables in another schema", "SHOW TABLES IN SCHEMA {schema}", None, given=(*TWO, "USE SCHEMA public"), count=2),
    Case("show tables that start with", "SHOW TABLES STARTS WITH 'S'", None, given=TWO, count=1),
    refused("show tables in no schema", "SHOW TABLES IN SCHEMA nope", 2043, "does not exist or not authorized"),
    refused("show columns of no table", "SHOW COLUMNS IN TABLE nope", 2003, "does not exist or not authorized"),
    Case("show columns of a schema", "SHOW COLUMNS IN SCHEMA {schema}", None, given=TWO, count=5),
    Case("show columns", "SHOW COLUMNS IN TABLE t", None, given=TWO, count=2),
    Case("show schemas", "SHOW SCHEMAS LIKE 'no such'", [], given=TWO),
    Case("show stages", "SHOW STAGES", None, given=LAKE, count=1),
    Case("show views", "SHOW VIEWS", None, given=("CREATE VIEW v AS SELECT 1 AS a",), count=1),
    Case("show file formats", "SHOW FILE FORMATS", None, given=LAKE, count=1),
    Case("show databases", "SHOW DATABASES LIKE 'telecoms'", None, count=1),
    Case("show warehouses", "SHOW WAREHOUSES", None, count=1),
    Case("get_ddl", "SELECT GET_DDL('TABLE', 'p')", [("create or replace TABLE P (\n\tA NUMBER(38,0) NOT NULL,\n\tB VARCHAR(10) DEFAULT 'x'\n);",)], given=("CREATE TABLE p (a INT NOT NULL, b VARCHAR(10) DEFAULT 'x')",)),
    Case("result_scan of show", 'SELECT "name" FROM TABLE(RESULT_SCAN(LAST_QUERY_ID())) ORDER BY 1', [("S",), ("T",)], given=(*TWO, "SHOW TABLES")),
    Case("result_scan of a query", "SELECT SUM(a) FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))", [(3,)], given=("SELECT 1 AS a UNION ALL SELECT 2",)),
]

SESSION = [  # transactions, sql/set, sql/use, functions-context
    says("begin", "BEGIN TRANSACTION", OK),
    says("commit without a transaction", "COMMIT", OK),
    says("rollback without a transaction", "ROLLBACK", OK),
    says("start transaction", "START TRANSACTION", OK),
    Case("rolled back", "SELECT COUNT(*) FROM t", [(2,)], given=(*TWO, "BEGIN", "DELETE FROM t", "INSERT INTO t VALUES (9, 'x')", "ROLLBACK")),
    Case("committed", "SELECT COUNT(*) FROM t", [(0,)], given=(*TWO, "BEGIN", "DELETE FROM t", "COMMIT")),
    Case("merge in a transaction", "SELECT * FROM t ORDER BY id", [(1, "one"), (2, "zwei")], given=(*TWO, "BEGIN", "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v", "COMMIT")),
    Case("truncate is rolled back", "SELECT COUNT(*) FROM t", [(2,)], given=(*TWO, "BEGIN", "TRUNCATE TABLE t", "ROLLBACK")),
    Case("a transaction over two schemas", "SELECT COUNT(*) FROM t", [(2,)], given=("CREATE SCHEMA IF NOT EXISTS battery_other", "CREATE OR REPLACE TABLE battery_other.u (a INT)", "USE SCHEMA {schema}", *TWO, "BEGIN", "INSERT INTO battery_other.u VALUES (1)", "DELETE FROM t", "ROLLBACK")),
    Case("DDL commits", "SELECT COUNT(*) FROM t", [(0,)], given=(*TWO, "BEGIN", "DELETE FROM t", "CREATE TABLE x (a INT)", "ROLLBACK")),
    Case("a parameter does not commit", "SELECT COUNT(*) FROM t", [(2,)], given=(*TWO, "BEGIN", "DELETE FROM t", "ALTER SESSION SET QUERY_TAG = 'x'", "ROLLBACK")),
    Case("a failed statement leaves the transaction", "SELECT COUNT(*) FROM t", [(3,)], given=(*TWO, "BEGIN", "INSERT INTO t VALUES (3, 'x')", "!SELECT 'x'::INT", "COMMIT")),
    Case("set", "SELECT $x + 1", [(6,)], given=("SET x = 5",)),
    refused("a variable that is not set", "SELECT $nope", 2211, "Session variable '$NOPE' does not exist"),
    says("use warehouse", "USE WAREHOUSE wh", OK),
    says("use role", "USE ROLE dev", OK),
    says("use secondary roles", "USE SECONDARY ROLES ALL", OK),
    refused("use no schema", "USE SCHEMA nope", 2043, "does not exist"),
    refused("use no database", "USE DATABASE nope", 2043, "does not exist"),
    Case("context", "SELECT CURRENT_DATABASE(), CURRENT_ROLE(), CURRENT_WAREHOUSE(), CURRENT_USER()", [("TELECOMS", "DEV", "WH", "WORKBENCH")], names=("CURRENT_DATABASE()", "CURRENT_ROLE()", "CURRENT_WAREHOUSE()", "CURRENT_USER()")),
    says("alter session", "ALTER SESSION SET QUERY_TAG = 'x'", OK),
    says("grant", "GRANT SELECT ON TABLE t TO ROLE dev", OK),
    says("create role", "CREATE ROLE IF NOT EXISTS analyst", "Role ANALYST successfully created."),
    says("create warehouse", "CREATE WAREHOUSE IF NOT EXISTS wh WITH WAREHOUSE_SIZE = XSMALL", "Warehouse WH successfully created."),
    says("alter warehouse", "ALTER WAREHOUSE wh RESUME", OK),
]

UNSUPPORTED = [  # what Snowflake has and the emulator has not: named at once, with 000002
    refused("stream", "CREATE STREAM x ON TABLE t", 2, "CREATE STREAM", *TWO),
    refused("task", "CREATE TASK x WAREHOUSE = wh SCHEDULE = '1 minute' AS SELECT 1", 2, "CREATE TASK"),
    refused("resume a task", "ALTER TASK x RESUME", 2, "ALTER TASK"),
    refused("pipe", "CREATE PIPE x AS COPY INTO t FROM @s", 2, "CREATE PIPE"),
    refused("dynamic table", "CREATE DYNAMIC TABLE x TARGET_LAG = '1 minute' WAREHOUSE = wh AS SELECT 1 AS a", 2, "CREATE DYNAMIC TABLE"),
    refused("external table", "CREATE EXTERNAL TABLE x (a INT) LOCATION = @s FILE_FORMAT = (TYPE = CSV)", 2, "CREATE EXTERNAL TABLE"),
    refused("materialized view", "CREATE MATERIALIZED VIEW x AS SELECT 1 AS a", 2, "CREATE MATERIALIZED VIEW"),
    refused("procedure", "CREATE PROCEDURE p() RETURNS INT LANGUAGE SQL AS 'BEGIN RETURN 1; END'", 2, "CREATE PROCEDURE"),
    refused("function", "CREATE FUNCTION f(x INT) RETURNS INT AS 'x + 1'", 2, "CREATE FUNCTION"),
    refused("call", "CALL p()", 2, "CALL"),
    refused("execute immediate", "EXECUTE IMMEDIATE 'SELECT 1'", 2, "EXECUTE IMMEDIATE"),
    refused("scripting block", "DECLARE x INT; BEGIN RETURN 1; END", 2, "DECLARE"),
    refused("time travel", "SELECT * FROM t AT (OFFSET => -60)", 2, "Time Travel", *TWO),
    refused("undrop", "UNDROP TABLE t", 2, "UNDROP"),
    refused("multi-table insert", "INSERT ALL INTO t VALUES (1, 'x') INTO s VALUES (1, 'x', TRUE) SELECT 1", 2, "INSERT ALL", *TWO),
    refused("internal stage", "CREATE STAGE st", 2, "internal stage"),
    refused("put", "PUT file:///tmp/x @st", 2, "PUT"),
    refused("remove", "REMOVE @st/x", 2, "REMOVE"),
    refused("another time zone", "ALTER SESSION SET TIMEZONE = 'Europe/Berlin'", 2, "TIMEZONE"),
    refused("explain", "EXPLAIN SELECT 1", 2, "EXPLAIN"),
    refused("an xml file format", "CREATE FILE FORMAT x TYPE = XML", 2, "XML"),
    refused("what only DuckDB has", "PRAGMA database_list", 2, "PRAGMA"),
    refused("what only DuckDB has, attaching", "ATTACH 'x.db'", 1003, "syntax error"),
]

EVERYTHING = (
    "CREATE TABLE c (d DATE, ts TIMESTAMP_NTZ, n NUMBER(10, 2), i INT, f FLOAT, v VARCHAR, b BOOLEAN)",
    "INSERT INTO c VALUES ('2024-01-31', '2024-01-31 10:20:30.5', 7.25, 7, 0.5, ' 05/03/2024 ', TRUE)",
)


def of_column(name: str, sql: str, answer: Any, *, kind: int | None = None) -> Case:
    """An expression over the columns of `c`, whose types the translation does not see."""
    return Case(name, f"SELECT {sql} FROM c", [(answer,)], given=EVERYTHING, types=None if kind is None else (kind,))  # noqa: S608 -- made up here


COLUMNS = [
    of_column("dateadd of a date column", "DATEADD(MONTH, 1, d)", day(2024, 2, 29), kind=DATE),
    of_column("add_months to a date column", "ADD_MONTHS(d, 1)", day(2024, 2, 29), kind=DATE),
    of_column("dateadd of a timestamp column", "DATEADD(DAY, 1, ts)", at(2024, 2, 1, 10, 20, 30, 500000), kind=TIMESTAMP_NTZ),
    of_column("dateadd of hours to a date column", "DATEADD(HOUR, 1, d)", at(2024, 1, 31, 1)),
    of_column("date_trunc of a date column", "DATE_TRUNC('MONTH', d)", day(2024, 1, 1), kind=DATE),
    of_column("date_trunc of a timestamp column", "DATE_TRUNC('DAY', ts)", at(2024, 1, 31), kind=TIMESTAMP_NTZ),
    of_column("a date column plus days", "d + 1", day(2024, 2, 1), kind=DATE),
    of_column("datediff of columns", "DATEDIFF('hour', d, ts)", 10, kind=FIXED),
    of_column("to_char of a date column", "TO_CHAR(d, 'DD.MM.YYYY')", "31.01.2024"),
    of_column("to_char of a timestamp column", "TO_CHAR(ts, 'YYYYMMDD HH24MISS')", "20240131 102030"),
    of_column("to_varchar of a date column", "TO_VARCHAR(d)", "2024-01-31"),
    of_column("a timestamp column as text", "ts::VARCHAR", "2024-01-31 10:20:30.500"),
    of_column("to_date of a timestamp column", "TO_DATE(ts)", day(2024, 1, 31), kind=DATE),
    of_column("try_to_date of a text column", "TRY_TO_DATE(TRIM(v), 'DD/MM/YYYY')", day(2024, 3, 5), kind=DATE),
    of_column("try_to_date of a text column that does not fit", "TRY_TO_DATE(v, 'YYYY-MM-DD')", None),
    of_column("try_to_timestamp_ntz of a text column", "TRY_TO_TIMESTAMP_NTZ(v)", None),
    of_column("a timestamp column cast to itself", "ts::TIMESTAMP_NTZ", at(2024, 1, 31, 10, 20, 30, 500000)),
    of_column("initcap of a text column", "INITCAP('x' || v)", "X 05/03/2024 "),
    of_column("upper of a number column", "UPPER(i)", "7"),
    of_column("a number column with a scale as text", "n::VARCHAR", "7.25"),
    of_column("concatenating a number column", "i || 'x'", "7x"),
    of_column("integer columns divided", "i / 2", Decimal("3.500000"), kind=FIXED),
    of_column("number columns divided", "n / 2", Decimal("3.62500000"), kind=FIXED),
    of_column("float columns divided", "f / 2", 0.25, kind=REAL),
    of_column("integer columns multiplied", "i * i", 49, kind=FIXED),
    of_column("number columns added", "n + i", Decimal("14.25"), kind=FIXED),
    of_column("a number column rounded", "ROUND(n, 1)", Decimal("7.3"), kind=FIXED),
    of_column("an integer column summed", "SUM(i)", 7, kind=FIXED),
    of_column("a number column summed", "SUM(n)", Decimal("7.25"), kind=FIXED),
    of_column("a float column summed", "SUM(f)", 0.5, kind=REAL),
    of_column("counts divided", "COUNT(i) / COUNT(*)", Decimal("1.000000"), kind=FIXED),
    of_column("sums divided", "SUM(i) / COUNT(*)", Decimal("7.000000"), kind=FIXED),
    of_column("iff on a boolean column", "IFF(b, 'y', 'n')", "y"),
    of_column("coalesce of columns", "COALESCE(NULLIF(TRIM(v), '05/03/2024'), 'none')", "none"),
    of_column("extract from a timestamp column", "EXTRACT(YEAR FROM ts) + HOUR(ts)", 2034),
    of_column("try_cast of a text column", "TRY_CAST(v AS INT)", None),
    of_column("getdate and sysdate", "GETDATE() IS NOT NULL AND SYSDATE() IS NOT NULL AND CURRENT_TIMESTAMP(3) IS NOT NULL", True),
    of_column("a boolean column as text", "b::VARCHAR", "true"),
    of_column("between dates", "d BETWEEN '2024-01-01' AND '2024-12-31'", True),
    of_column("a date column and text", "d = '2024-01-31'", True),
    of_column("an average of a float column", "AVG(f)", 0.5, kind=REAL),
    of_column("hash of columns", "HASH(i, v) = HASH(i, v)", True),
    of_column("object_construct of columns", "OBJECT_CONSTRUCT('i', i):i::INT", 7),
    of_column("regexp_replace of a column", r"REGEXP_REPLACE(TRIM(v), '^([0-9]{2})/([0-9]{2})/([0-9]{4})$', '\\3-\\2-\\1')", "2024-03-05"),
]

CASES = [
    *DEFINITIONS, *CHANGES, *TEMPORARY, *LOADING, *TEXTS, *DATES, *CONVERSIONS, *COLUMNS, *QUERIES, *SEMISTRUCTURED, *SHOWN,
    *SESSION, *UNSUPPORTED,
]  # fmt: skip

"""Expressions that neither sqlglot nor fakesnow translates as Snowflake's documentation says.

Each rewrite takes one node and returns its replacement, or None. They run before fakesnow's own, from the leaves up,
and return nodes that fakesnow does not change.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from workbench.emulators.snowflake.errors import SnowflakeError, compilation, unsupported
from workbench.emulators.snowflake.preparation import function_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.emulators.snowflake.sessions import Session

_TIMES = {exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPNTZ}
_SEMISTRUCTURED = {exp.DataType.Type.VARIANT, exp.DataType.Type.OBJECT, exp.DataType.Type.ARRAY}
_DELIMITERS = sqlglot.parse_one("INITCAP('')", read="snowflake").expression
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)


def apply(statement: exp.Expr) -> exp.Expr:
    """Return the statement with all rewrites applied to all nodes."""
    _refuse_time_travel(statement)
    _refuse_files(statement)
    _positions(statement)
    for node in reversed(list(statement.walk(bfs=True))):
        for kinds, rewrite in _REWRITES:
            if isinstance(node, kinds) and (put := rewrite(node)) is not None:
                node.replace(put)
                break
    return statement


def _refuse_time_travel(statement: exp.Expr) -> None:
    for table in statement.find_all(exp.Table):
        if table.args.get("when") or table.args.get("changes") or table.args.get("version"):
            raise unsupported("Time Travel: AT | BEFORE | CHANGES")


def _refuse_files(statement: exp.Expr) -> None:
    """Refuse DuckDB's functions that read files of this machine."""
    for table in statement.find_all(exp.Table):
        if isinstance(table.this, exp.Literal):
            raise compilation(f"syntax error line 1 at position 0 unexpected ''{table.this.name}''.")
    for call in statement.find_all(exp.Func):
        name = function_name(call)
        if name.startswith(("READ_", "DUCKDB_", "PRAGMA_")) or name in {"GETENV", "GLOB", "QUERY", "QUERY_TABLE"}:
            raise compilation(f"Unknown function {name}", 2140, "42601")


def _positions(statement: exp.Expr) -> None:
    """Replace `$1` of a VALUES list by its first column; refuse it for another source."""
    for parameter in list(statement.find_all(exp.Parameter)):
        if not parameter.name.isdigit():
            continue
        select = parameter.find_ancestor(exp.Select)
        source = select.args.get("from_") if select else None
        if source is None or not isinstance(source.this, exp.Values):
            raise unsupported(f"${parameter.name}: a column by position, of anything but a stage or VALUES")
        column = exp.to_identifier(f"COLUMN{parameter.name}", quoted=True)
        parameter.replace(column if isinstance(parameter.parent, exp.Column) else exp.Column(this=column))


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _holds_aggregate(*nodes: exp.Expr) -> bool:
    return any(node.find(exp.AggFunc, exp.Window, exp.Subquery, exp.Anonymous) is not None for node in nodes)


def _aggregate(node: exp.Expr) -> exp.Expr | None:
    """Keep the type of SUM and the like over numbers: fakesnow casts everything to float, because of text."""
    names: dict[type[exp.Expr], str] = {exp.Sum: "SUM", exp.Avg: "AVG", exp.Median: "MEDIAN"}
    name = names.get(type(node))
    if name is None or isinstance(node.this, exp.Literal) or node.meta.get("text"):
        return None
    return _call(name, node.this.copy())


def _division(node: exp.Expr) -> exp.Expr | None:
    left, right = _number(node.this), _number(node.expression)
    if not _holds_aggregate(left, right):
        return _call("_SF_DIV", left.copy(), right.copy())
    quotient = _call("_SF_DIV_FLOAT", left.copy(), right.copy())
    counts = all(
        isinstance(side, exp.Count) or (isinstance(side, exp.Literal) and side.name.isdigit()) for side in (left, right)
    )
    return exp.cast(quotient, "DECIMAL(38, 6)") if counts else quotient


def _number(node: exp.Expr) -> exp.Expr:
    """Return a numeral in quotes as a number, as arithmetic does."""
    text = node.name if isinstance(node, exp.Literal) and node.is_string else ""
    try:
        float(text)
    except ValueError:
        return node
    return exp.Literal.number(text)


def _arithmetic(node: exp.Expr) -> exp.Expr | None:
    """Widen whole numbers, which would overflow at 32 bits, and convert text that is a number."""
    if isinstance(node, exp.Div):
        return _division(node)
    for key in ("this", "expression"):
        side = node.args[key]
        number = _number(side)
        other = node.args["expression" if key == "this" else "this"]
        if isinstance(number, exp.Literal) and number.name.isdigit() and not number.is_string and _is_number(other):
            number = exp.cast(number.copy(), "BIGINT")
        node.set(key, number)
    return None


def _is_number(node: exp.Expr) -> bool:
    """Return whether a constant is a number for certain: days can be added to other values."""
    if isinstance(node, exp.Cast):
        return node.to.this in exp.DataType.NUMERIC_TYPES
    return isinstance(node, exp.Literal | exp.Paren) and node.find(exp.Interval, exp.Column, exp.Cast) is None


def _trim(node: exp.Expr) -> exp.Expr | None:
    """Rewrite TRIM: fakesnow drops the characters to trim, and the side."""
    if not node.args.get("expression") and not node.args.get("position"):
        return None
    name = {"LEADING": "LTRIM", "TRAILING": "RTRIM"}.get(str(node.args.get("position") or "").upper(), "TRIM")
    characters = [node.expression.copy()] if node.args.get("expression") else []
    return _call(name, exp.cast(node.this.copy(), "VARCHAR"), *characters)


def _case(node: exp.Expr) -> exp.Expr | None:
    """Rewrite UPPER and LOWER, which accept numbers and dates too; fakesnow rewrites paths."""
    if isinstance(node.this, exp.Literal | exp.Column) and not (
        isinstance(node.this, exp.Literal) and node.this.is_string
    ):
        return type(node)(this=exp.cast(node.this.copy(), "VARCHAR"))
    return None


def _regexp_replace(node: exp.Expr) -> exp.Expr | None:
    position, occurrence = node.args.get("position"), node.args.get("occurrence")
    modifiers = node.args.get("modifiers")
    if position is None and occurrence is None and modifiers is None:
        return None
    if position is not None and position.name != "1":
        raise unsupported("REGEXP_REPLACE with a position other than 1")
    if occurrence is not None and occurrence.name not in {"0", "1"}:
        raise unsupported("REGEXP_REPLACE with an occurrence other than 0 and 1")
    options = (modifiers.name if modifiers else "").replace("c", "").replace("e", "")
    every = occurrence is None or occurrence.name == "0"
    replacement = node.args.get("replacement") or exp.Literal.string("")
    return _call(
        "REGEXP_REPLACE", node.this.copy(), node.expression.copy(), replacement.copy(),
        exp.Literal.string(options + ("g" if every else "")),
    )  # fmt: skip


def _try_cast(node: exp.Expr) -> exp.Expr | None:
    """Rewrite TRY_CAST: fakesnow's fails for timestamps, and sqlglot cannot cast to semi-structured types."""
    if isinstance(node, exp.TryCast) and node.to.this in _TIMES:
        return exp.Case(
            ifs=[exp.If(this=_is_castable(node.this), true=exp.Cast(this=node.this.copy(), to=node.to.copy()))]
        )
    if not isinstance(node, exp.TryCast) and node.to.this in exp.DataType.TEXT_TYPES and not node.to.expressions:
        inner = node.this
        is_value = isinstance(inner, exp.Column) and inner.name.upper() != "VALUE"  # fakesnow rewrites FLATTEN
        is_time = isinstance(inner, exp.Cast) and inner.to.this in _TIMES
        return _call("_SF_TEXT", inner.copy()) if is_value or is_time else None
    if not isinstance(node, exp.TryCast) and node.to.this in _SEMISTRUCTURED and not isinstance(node.this, exp.Null):
        return _call("TO_JSON", node.this.copy())
    return None


def _is_castable(value: exp.Expr) -> exp.Expr:
    tried = exp.TryCast(this=value.copy(), to=exp.DataType.build("TIMESTAMPTZ"))
    return exp.Not(this=exp.Is(this=tried, expression=exp.Null()))


def _to_char(node: exp.Expr) -> exp.Expr | None:
    """Rewrite TO_CHAR: sqlglot drops the format unless it knows the argument's type."""
    form = node.args.get("format")
    if form is None:
        text = exp.cast(node.this.copy(), "VARCHAR")
        return _try_cast(text) or text
    if not isinstance(form, exp.Literal) or not form.is_string:
        raise unsupported("TO_CHAR with a format that is not a constant")
    return _call("STRFTIME", node.this.copy(), exp.Literal.string(strftime(form.name)))


_DATE_PARTS = (
    ("YYYY", "%Y"), ("YY", "%y"), ("MMMM", "%B"), ("MON", "%b"), ("MM", "%m"), ("DD", "%d"), ("DY", "%a"),
    ("HH24", "%H"), ("HH12", "%I"), ("AM", "%p"), ("PM", "%p"), ("MI", "%M"), ("SS", "%S"),
    ("FF3", "%g"), ("FF6", "%f"), ("FF9", "%n"),
    ("FF", "%n"), ("TZHTZM", "%z"), ("TZH:TZM", "%z"),
)  # fmt: skip


def strftime(form: str) -> str:
    """Return Snowflake's format of a date as strftime's.

    :raises SnowflakeError: 000002 for a format of numbers, or a part that strftime does not have.
    """
    made, rest = "", form
    while rest:
        part = next((part for part in _DATE_PARTS if rest.upper().startswith(part[0])), None)
        if part:
            made, rest = made + part[1], rest[len(part[0]) :]
        elif rest.startswith('"'):
            literal, _, rest = rest[1:].partition('"')
            made += literal
        elif rest[0].isalnum() and rest[0].upper() not in {"T", "Z"}:
            raise unsupported(f"the format '{form}'")
        else:
            made, rest = made + rest[0].replace("%", "%%"), rest[1:]
    return made


def _date_trunc(node: exp.Expr) -> exp.Expr | None:
    if _holds_aggregate(node.this) or node.args.get("zone"):
        return None
    return _call("_SF_DATE_TRUNC", exp.Literal.string(node.text("unit").lower()), node.this.copy())


def _date_add(node: exp.Expr) -> exp.Expr | None:
    """Rewrite DATEADD: a date plus whole days is a date."""
    unit = "MONTH" if isinstance(node, exp.AddMonths) else node.text("unit").upper()
    if unit not in {"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"} or _holds_aggregate(node.this):
        return None
    amount = exp.Interval(this=exp.Paren(this=node.expression.copy()), unit=exp.var(unit))
    return _call("_SF_DATE_ADD", node.this.copy(), amount)


def _listagg(node: exp.Expr) -> exp.Expr | None:
    """Rewrite LISTAGG: without rows it is the empty string."""
    whole = node.parent if isinstance(node.parent, exp.WithinGroup | exp.Window) else node
    if isinstance(whole, exp.Window) or isinstance(whole.parent, exp.Window | exp.Coalesce):
        return None
    return exp.Coalesce(this=node.copy(), expressions=[exp.Literal.string("")])


def _initcap(node: exp.Expr) -> exp.Expr | None:
    """Rewrite INITCAP with the default delimiters; with others, sqlglot's translation stays."""
    return _call("_SF_INITCAP", node.this.copy()) if node.expression == _DELIMITERS else None


def _window(node: exp.Expr) -> exp.Expr | None:
    """Rewrite RATIO_TO_REPORT(x) OVER (...) as x divided by the sum of x."""
    if function_name(node.this) != "RATIO_TO_REPORT":
        return None
    value = node.this.expressions[0]
    total = node.copy()
    total.set("this", _call("SUM", value.copy()))
    return _call("_SF_DIV_FLOAT", exp.cast(value.copy(), "DOUBLE"), total)


def _hash(node: exp.Expr) -> exp.Expr | None:
    given = [node.this, *node.expressions] if isinstance(node, exp.HashAgg) else list(node.expressions)
    starred = [each.sql(dialect="duckdb") for each in given] == ["*"]
    hashed = _call(
        "HASH", *([exp.var("*COLUMNS(*)")] if starred else [each.copy() for each in given if each is not None])
    )
    return _call("_SF_SIGNED", _call("BIT_XOR", hashed) if isinstance(node, exp.HashAgg) else hashed)


def _array_contains(node: exp.Expr) -> exp.Expr | None:
    return _call("JSON_CONTAINS", node.this.copy(), node.expression.copy())


def _named(node: exp.Expr) -> exp.Expr | None:
    """Rewrite functions for which sqlglot has no class."""
    name = function_name(node)
    if name == "HASH":
        return _hash(node)
    if re.fullmatch(r"(TRY_)?TO_TIMESTAMP_?(NTZ|LTZ|TZ)?", name) and len(node.expressions) == 1:
        kind = "TIMESTAMPTZ" if name.endswith(("LTZ", "TZ")) and not name.endswith("NTZ") else "TIMESTAMP"
        if name.startswith("TRY_"):
            return _try_cast(exp.TryCast(this=node.expressions[0].copy(), to=exp.DataType.build("TIMESTAMP")))
        return exp.cast(node.expressions[0].copy(), kind) if kind == "TIMESTAMPTZ" else None
    if name == "INFER_SCHEMA":
        raise unsupported("INFER_SCHEMA")
    if name in {"VALIDATE", "COPY_HISTORY", "TASK_HISTORY", "QUERY_HISTORY"}:
        raise unsupported(f"the table function {name}")
    return None


_REWRITES: list[tuple[tuple[type[exp.Expr], ...], Callable[[exp.Expr], exp.Expr | None]]] = [
    (_ARITHMETIC, _arithmetic),
    ((exp.Sum, exp.Avg, exp.Median), _aggregate),
    ((exp.Trim,), _trim),
    ((exp.Upper, exp.Lower), _case),
    ((exp.RegexpReplace,), _regexp_replace),
    ((exp.Cast,), _try_cast),
    ((exp.ToChar,), _to_char),
    ((exp.TimestampTrunc, exp.DateTrunc), _date_trunc),
    ((exp.DateAdd, exp.AddMonths), _date_add),
    ((exp.GroupConcat,), _listagg),
    ((exp.Window,), _window),
    ((exp.HashAgg,), _hash),
    ((exp.ArrayContains,), _array_contains),
    (
        (exp.JSONKeys,),
        lambda node: _call("LIST_SORT", node.copy()) if function_name(node.parent) != "LIST_SORT" else None,
    ),
    ((exp.Typeof,), lambda node: _call("_SF_TYPEOF", node.this.copy())),
    ((exp.Initcap,), _initcap),
    ((exp.Anonymous,), _named),
]


def result_scan(session: Session, statement: exp.Expr) -> None:
    """Replace TABLE(RESULT_SCAN('id')) by the stored result, registered under a name of its own."""
    for call in list(statement.find_all(exp.Anonymous)):
        if function_name(call) != "RESULT_SCAN":
            continue
        argument = call.expressions[0]
        if function_name(argument) == "LAST_QUERY_ID":
            wanted = session.query_ids[-1] if session.query_ids else ""
        else:
            wanted = argument.name
        result = session.results.get(wanted)
        if result is None:
            raise SnowflakeError(f"Statement {wanted} not found", 709, "02000")
        name = f"_staged_{wanted.replace('-', '')}"
        session.duck.register(name, result.table)
        holder = call.parent
        if isinstance(holder, exp.TableFromRows | exp.Table):
            alias = holder.args.get("alias")
            holder.replace(exp.Table(this=exp.to_identifier(name, quoted=True), alias=alias))

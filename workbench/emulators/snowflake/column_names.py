"""Column names of a query's result as in Snowflake: the text of the expression, in upper case.

DuckDB uses its own spelling of the translated expression, such as `count_star()`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import TokenType, exp

if TYPE_CHECKING:
    from sqlglot.tokens import Token

_ENDS = {
    TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.LIMIT, TokenType.UNION,
    TokenType.HAVING, TokenType.QUALIFY, TokenType.INTERSECT, TokenType.EXCEPT, TokenType.FETCH, TokenType.OFFSET,
}  # fmt: skip


def of(text: str, query: exp.Expr) -> list[str] | None:
    """Return the names; None where only the result shows how many there are (a star)."""
    select = query
    while isinstance(select, exp.SetOperation | exp.Subquery):
        select = select.this
    if not isinstance(select, exp.Select) or any(each.is_star for each in select.expressions):
        return None
    texts = _texts(text)
    if len(texts) != len(select.expressions):
        return None
    return [_name(each, written) for each, written in zip(select.expressions, texts, strict=True)]


_OBJECTS = (exp.Struct, exp.ObjectAgg, exp.JSONObject, exp.StarMap)
_ARRAYS = (exp.Array, exp.ArrayAgg, exp.Split, exp.JSONKeys, exp.ArrayConcat, exp.ArrayConstructCompact)


def semistructured(query: exp.Expr) -> list[str | None] | None:
    """Return which columns of a query are OBJECT or ARRAY and not VARIANT, as far as the query itself shows."""
    select = query
    while isinstance(select, exp.SetOperation | exp.Subquery):
        select = select.this
    if not isinstance(select, exp.Select) or any(each.is_star for each in select.expressions):
        return None
    kinds: list[str | None] = []
    for each in select.expressions:
        inner = each.unalias()
        while isinstance(inner, exp.Window | exp.WithinGroup | exp.Paren):
            inner = inner.this
        kinds.append("object" if isinstance(inner, _OBJECTS) else "array" if isinstance(inner, _ARRAYS) else None)
    return kinds


def _name(expression: exp.Expr, written: str) -> str:
    if isinstance(expression, exp.Alias):
        identifier = expression.args["alias"]
        return str(identifier.this) if identifier.quoted else str(identifier.this).upper()
    if isinstance(expression, exp.Column) and isinstance(expression.this, exp.Identifier):
        return str(expression.name) if expression.this.quoted else str(expression.name).upper()
    return written.upper()


def _texts(text: str) -> list[str]:
    """Return the source text of each expression of the outermost SELECT."""
    tokens = list(sqlglot.tokenize(text, read="snowflake"))
    opening = len(tokens) and next((at for at, token in enumerate(tokens) if token.token_type != TokenType.L_PAREN), 0)
    cuts: list[tuple[int, Token]] = []
    depth = 0
    for at, token in enumerate(tokens[opening:], opening):
        kind = token.token_type
        if kind in {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}:
            depth += 1
        elif kind in {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}:
            depth -= 1
        if depth < 0 or (depth == 0 and cuts and (kind in _ENDS or kind == TokenType.SEMICOLON)):
            cuts.append((at, token))
            break
        if depth == 0 and ((kind == TokenType.SELECT and not cuts) or (kind == TokenType.COMMA and cuts)):
            cuts.append((at, token))
    else:
        cuts.append((len(tokens), tokens[-1]))
    texts = []
    for (first, _), (last, _) in pairwise(cuts):
        inside = tokens[first + 1 : last]
        while inside and inside[0].token_type in {TokenType.DISTINCT, TokenType.ALL}:
            inside = inside[1:]
        texts.append(text[inside[0].start : inside[-1].end + 1] if inside else "")
    return texts

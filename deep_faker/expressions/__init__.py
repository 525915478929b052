"""Expressions of flows: their types, and their translation to numpy source with Python's semantics.

`infer` tells the type of an expression and whether it can be done by column; `column_source` gives
source to be put into a generated function; `row_function` gives the same as a Python function of one
row.  Values, types and exceptions are Python's in both: where a column holds something that numpy
cannot do as Python does, the generated source hands that batch to the row function.

>>> texts = Texts()
>>> types = {"price": Type("float"), "plan": Type("code")}
>>> infer("price * 0.9 if plan == 'gold' else price", types, {}, texts)
(Type(kind='float', optional=False, entity=None), None)
>>> infer("sorted([price])", types, {}, texts)[1]
'makes a collection'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deep_faker.expressions.emitter import Emitter, Val
from deep_faker.expressions.rows import (
    ByRow,
    Conversion,
    LogCall,
    RowCall,
    ValueCall,
    parsed,
    row_function,
    stable_hash,
    unheard,
)
from deep_faker.expressions.translate import Translation
from deep_faker.plan import Expr, Type
from deep_faker.plan.storage import Texts, dtype_of, join

__all__ = [
    "ColumnSource",
    "Conversion",
    "LogCall",
    "RowCall",
    "Texts",
    "ValueCall",
    "column_source",
    "infer",
    "join",
    "row_function",
    "stable_hash",
    "unheard",
]


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """Source for a generated function.

    ``lines`` are statements (with their own relative indentation); after them the names ``value`` and
    ``nulls`` (None for a type without a mask) hold the result.  They may be the very arrays of a local:
    do not write into them.  ``env`` are the globals that the lines need.
    """

    lines: list[str]
    value: str
    nulls: str | None
    env: dict[str, object]


def infer(
    text: str, types: Mapping[str, Type], consts: Mapping[str, object], texts: Texts
) -> tuple[Type, str | None]:
    """The type of an expression, and why it has to go row by row (None: it goes by column).

    Text constants that can become its value get codes in ``texts``.

    >>> infer("a / 2", {"a": Type("int")}, {}, Texts())
    (Type(kind='float', optional=False, entity=None), None)
    """
    em = Emitter(types, texts, "", "n", emitting=False)
    value = Translation(em, consts).visit(parsed(text))
    if value.constant and value.kind == "code":
        texts.code(value.value)
    return value.type, em.reason


def column_source(
    expr: Expr, types: Mapping[str, Type], texts: Sequence[str], prefix: str, *, size: str = "n"
) -> ColumnSource:
    """Source that computes ``expr`` for a batch, to be inlined into a generated function.

    Each local ``x`` must be there as array ``x`` (and mask ``x__null`` if optional), and the number
    of rows as ``size``.  Names made here begin with ``prefix``, except for functions, ``df__…``.
    The result has the storage of ``expr.type``.

    >>> from deep_faker.spans import Span
    >>> half = Expr("a / 2", ("a",), {}, Type("float"), Span("shop.py", 1, 0, 5, "a / 2"))
    >>> print(*column_source(half, {"a": Type("int")}, (), "x").lines[:2], sep="\\n")
    try:
        xv = (df__within(a, -9007199254740992, 9007199254740992) / 2)
    """
    by_row = ByRow(expr, [types[name] for name in expr.names], texts)
    value, nulls = f"{prefix}v", f"{prefix}v__null" if expr.type.optional else None
    pairs = [f"({n}, {f'{n}__null' if types[n].optional else None})" for n in expr.names]
    fallback = f"{value}, {nulls or prefix + '_'} = {prefix}rows({', '.join([size, *pairs])})"
    if expr.by_row is None:
        em = Emitter(types, texts, prefix, size, emitting=True)
        result = Translation(em, expr.consts).visit(parsed(expr.text))
        if em.reason is None:
            lines, source, mask = _finished(em, result, expr.type)
        if em.reason is None:
            return _source(em, lines, source, mask, value, nulls, fallback, by_row, prefix)
    return ColumnSource([fallback], value, nulls, {f"{prefix}rows": by_row})


def _finished(em: Emitter, result: Val, target: Type) -> tuple[list[str], str, str | None]:
    """The lines, and the sources of values and mask in the storage of ``target``."""
    if target.kind == "bool" and result.kind != "bool" and not (target.optional and result.kind == "none"):
        result = em.truth(result)
    source, mask = em.cast(result, target)
    if result.constant:
        dtype = em.bind(dtype_of(target))
        source = f"{em.f(np.full)}({em.size}, {source}, {dtype})"
    if target.optional and mask in (None, "True", "False"):
        mask = f"{em.f(np.full)}({em.size}, {mask or False})"
    return em.lines, source, mask if target.optional else None


def _source(
    em: Emitter,
    lines: list[str],
    source: str,
    mask: str | None,
    value: str,
    nulls: str | None,
    fallback: str,
    by_row: ByRow,
    prefix: str,
) -> ColumnSource:
    if not lines and source.isidentifier() and (mask is None or mask.isidentifier()):
        return ColumnSource([], source, mask, {})
    body = [*lines, f"{value} = {source}"]
    if mask is not None:
        body.append(f"{nulls} = {mask}")
    if em.warns:
        body = [f"with {em.f(np.errstate)}(all='ignore'):", *(f"    {line}" for line in body)]
    env = dict(em.env)
    env |= {f"{prefix}rows": by_row, "df__exception": Exception}
    whole = ["try:", *(f"    {line}" for line in body), "except df__exception:", f"    {fallback}"]
    return ColumnSource(whole, value, nulls, env)

"""Subscripts of constant sequences and mappings, as tables in the code."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence

from deep_faker.plan import Type
from deep_faker.plan.storage import find_text, join, optional, type_of
from deep_faker.simulate.native import opcodes as op
from deep_faker.simulate.native.lower.assembler import Register
from deep_faker.simulate.native.lower.operands import (
    INTEGRAL,
    TABLE_LIMIT,
    TEXTS,
    Table,
    UnlowerableError,
    Val,
    Writer,
)

_LONGEST = 1_000_000  # entries
_DENSE = 64  # so many entries need no search


def subscript(w: Writer, v: Val, key: Val) -> Val:
    """``v[key]``."""
    if v.constant and key.constant:
        return w.fold(operator.getitem, v.value, key.value)
    if v.constant and type(v.value) in (tuple, list, range) and key.kind in INTEGRAL:
        if len(v.value) > _LONGEST:
            raise UnlowerableError("a long range")
        if key.table is not None:
            return w.by_value(v.value.__getitem__, [key], type_of(v.value))
        elements = list(v.value)
        index = w.ints(w.solid(key))
        # Both Python's places from the front and those from the end.
        return w.entries(Table(index, (*elements, *elements), -len(elements)), type_of(elements))
    if v.constant and type(v.value) is dict:
        return _item(w, v.value, key)
    if v.table is not None or v.kind == "code":
        return w.by_value(operator.getitem, [v, key], None)
    raise UnlowerableError(f"a part of {v.kind}")


def _item(w: Writer, mapping: Mapping[object, object], key: Val) -> Val:
    """``mapping[key]`` of a constant dict."""
    type_ = type_of(mapping.values())
    searched = _searched(w, mapping, key)
    if searched is not None:
        keys, index = searched
        words = [word for _, word in keys]
        place = w.make(op.FIND, index, len(words), w.trouble, *words)
        return w.entries(Table(place, tuple(mapping[k] for k, _ in keys), safe=True), type_)
    return w.by_value(mapping.__getitem__, [key], type_)


def mapping_get(w: Writer, mapping: dict[object, object], args: Sequence[Val]) -> Val:
    """``mapping.get(key, default)`` of a constant dict and default."""
    if not 1 <= len(args) <= 2 or (len(args) == 2 and not args[1].constant):
        raise UnlowerableError("dict.get() with a varying default")
    default = args[1].value if len(args) == 2 else None
    if all(v.constant for v in args):
        return w.fold(mapping.get, *(v.value for v in args))
    type_ = type_of(mapping.values()) if mapping else Type("none")
    type_ = optional(type_) if default is None else join(type_, type_of([default]))
    if type_.kind == "none":
        raise UnlowerableError("an empty dict")
    searched = _searched(w, mapping, args[0])
    if searched is not None:
        keys, index = searched
        words = [word for _, word in keys]
        place = w.make(op.FIND_OR, index, len(words), *words)
        return w.entries(Table(place, (*(mapping[k] for k, _ in keys), default), safe=True), type_)
    return w.by_value(mapping.get, args, type_)


def _searched(
    w: Writer, mapping: Mapping[object, object], key: Val
) -> tuple[list[tuple[object, int]], Register] | None:
    """The keys with their words, sorted, and the register to be found among them.

    None where the key has few known values, for which one table is enough.
    """
    if key.null is not None or key.kind not in ("int", "code", "str"):
        return None
    if key.table is not None or (key.kind == "code" and len(w.texts) <= _DENSE):
        return None
    pairs: list[tuple[object, int]]
    if key.kind in TEXTS:
        codes = {k: find_text(w.texts, k) for k in mapping if type(k) is str}
        pairs = [(k, code) for k, code in codes.items() if code is not None]
    else:
        numbers = [k for k in mapping if type(k) is int]
        if len(numbers) < len(mapping):
            return None
        pairs = [(k, k) for k in numbers if -(2**63) <= k < 2**63]
    if not pairs or len(pairs) > TABLE_LIMIT:
        return None
    if key.kind == "str":
        w.put(op.IS_CODE, w.reg(key), w.trouble)
    return sorted(pairs, key=lambda pair: pair[1]), w.reg(key)

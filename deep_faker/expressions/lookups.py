"""Subscripts: constant sequences and mappings through prepared tables, and parts of text."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deep_faker.expressions import runtime
from deep_faker.expressions.emitter import TEXTS, Emitter, Val
from deep_faker.plan import Type
from deep_faker.plan.storage import Texts, join, optional, type_of


def subscript(em: Emitter, v: Val, key: Val) -> Val:
    """``v[key]``."""
    if v.constant and key.constant:
        return em.fold(operator.getitem, v.value, key.value)
    if v.constant and type(v.value) in (tuple, list, range) and key.kind in ("bool", "int"):
        key = em.solid(key)
        source = em.ints(key)
        if type(v.value) is range and len(v.value) > 1_000_000:
            return em.by_row("a long range", "int")
        return em.lookup(em.guarded(source, "0"), list(v.value), type_of(v.value))
    if v.constant and type(v.value) is dict:
        return _item(em, v.value, key)
    if key.constant:
        done = em.folded(v, lambda element: element[key.value])
        if done is not None:
            return done
    if v.kind in TEXTS:
        if key.kind in ("bool", "int") or (key.constant and type(key.value) is slice):
            return em.by_value(operator.getitem, [em.solid(v), em.solid(key)], Type("str"))
        return em.by_row("a part of a text between varying places", "str")
    if v.kind == "object":
        return em.by_value(operator.getitem, [v, key], Type("object"))
    return em.by_row(f"a part of {v.kind}")


def _item(em: Emitter, mapping: Mapping[Any, Any], key: Val) -> Val:
    """``mapping[key]`` of a constant dict."""
    type_ = type_of(mapping.values())
    if key.kind == "entity":
        return em.by_row("an entity as a key", type_.kind, optional=type_.optional)
    if _integral(mapping) and key.kind == "int":
        key = em.solid(key)
        keys = sorted(mapping)
        source = em.guarded(key.code, str(keys[0]))
        index = f"{em.f(runtime.find_keys)}({em.bind(np.array(keys, np.int64))}, {source})"
        return em.lookup(index, [mapping[k] for k in keys], type_)
    return _by_key(em, mapping, mapping.__getitem__, [key], type_)


def _by_key(
    em: Emitter,
    mapping: Mapping[Any, Any],
    function: Callable[..., object],
    operands: Sequence[Val],
    type_: Type,
) -> Val:
    if isinstance(em.texts, Texts) and type_.kind == "code":
        for value in mapping.values():
            if value is not None:
                em.texts.code(value)
    return em.by_value(function, operands, type_)


def _integral(mapping: Mapping[Any, Any]) -> bool:
    return bool(mapping) and all(type(k) is int and -(2**63) <= k < 2**63 for k in mapping)


def mapping_get(em: Emitter, mapping: dict[object, object], args: Sequence[Val]) -> Val:
    """``mapping.get(key, default)`` of a constant dict and default."""
    if not 1 <= len(args) <= 2 or (len(args) == 2 and not args[1].constant):
        return em.by_row("dict.get() with a varying default")
    default = args[1].value if len(args) == 2 else None
    type_ = type_of(mapping.values()) if mapping else Type("none")
    type_ = optional(type_) if default is None else join(type_, type_of([default]))
    if args[0].kind == "entity" or type_.kind == "none":
        return em.by_row("an entity as a key", type_.kind, optional=type_.optional)
    if type_.kind == "code" and isinstance(default, str) and isinstance(em.texts, Texts):
        em.texts.code(default)
    return _by_key(em, mapping, mapping.get, args, type_)

"""What a run depends on, part by part: a run may be resumed only where all of it is the same.

Each part is a short text (a setting) or a digest (a flow, an event), so that a refusal can name what
has changed. Code counts by its syntax tree and its line, which the ground truth holds; comments at a
line's end do not count, nor does the file's name.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import hashlib
import inspect
import logging
import re
import textwrap
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeGuard

import numpy as np

from deep_faker.plan import Plan
from deep_faker.spans import Span

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def fingerprint(plan: Plan, *, seed: int, versions: Mapping[str, str]) -> dict[str, str]:
    """The parts of a run by name: settings as text, code and declarations as digests.

    Which engine runs is none of them: what one has saved, each other that saves goes on with.
    """
    out = {"seed": str(seed)}
    for field in dataclasses.fields(plan.settings):
        out[f"setting {field.name}"] = repr(getattr(plan.settings, field.name))
    for flow in plan.flows:
        out[f"flow {flow.name}"] = digest(flow)
    for name, event in plan.events.items():
        out[f"event {name}"] = digest(event)
    for name, entity in plan.entities.items():
        out[f"entity {name}"] = digest(entity)
    out["order of the flows"] = ", ".join(flow.name for flow in plan.flows)
    out["sites and filters"] = digest((plan.sites, plan.filters, plan.texts, plan.initial_sites))
    for name, version in versions.items():
        out[f"version of {name}"] = version
    return out


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs, a line for each part; empty where nothing does.

    >>> differences({"seed": "1", "flow a": "x"}, {"seed": "2", "flow b": "x"})
    ['flow a is gone', 'flow b is new', 'seed was 1 and is 2']
    """
    lines = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if new is None:
            lines.append(f"{name} is gone")
        elif old is None:
            lines.append(f"{name} is new")
        elif name.startswith(("flow ", "event ", "entity ", "sites ")):
            lines.append(f"{name} has changed")
        else:
            lines.append(f"{name} was {old} and is {new}")
    # a changed flow changes what depends on it as well: that line would only distract
    if len(lines) > 1:
        lines = [line for line in lines if not line.startswith("sites ")]
    return lines


def digest(value: object) -> str:
    """A digest of a value and everything in it that a run could depend on; equal in every process.

    >>> digest({"a": 1}) == digest({"a": 1}) != digest({"a": 2})
    True
    """
    sink = hashlib.sha256()
    for piece in _pieces(value, {}):
        sink.update(piece.encode(errors="surrogatepass"))
        sink.update(b"\0")
    return sink.hexdigest()[:16]


class _Table(Protocol):
    """Data of the user's own, as Arrow has them."""

    def to_pydict(self) -> object: ...
    def to_pylist(self) -> object: ...


class _Frame(Protocol):
    """Data of the user's own, as Polars has them."""

    def to_arrow(self) -> _Table: ...


class _Chosen(Protocol):
    """Faker's `DynamicProvider`."""

    provider_name: str
    elements: Iterable[object]


def _is_frame(value: object) -> TypeGuard[_Frame]:
    return hasattr(value, "to_arrow")


def _is_table(value: object) -> TypeGuard[_Table]:
    return hasattr(value, "to_pydict")


def _is_chosen(value: object) -> TypeGuard[_Chosen]:
    return hasattr(value, "provider_name")


def _pieces(value: object, seen: dict[int, object]) -> Iterator[str]:
    if value is None or isinstance(value, (bool, int, float, str, bytes, complex)):
        yield f"{type(value).__name__} {value!r}"
    elif isinstance(value, Span):
        yield f"line {value.line}"
    elif id(value) in seen:
        yield "again"
    else:
        seen[id(value)] = value  # holds it, so that no other object takes its number
        yield type(value).__qualname__
        yield from _inside(value, seen)


def _inside(value: object, seen: dict[int, object]) -> Iterator[str]:
    if isinstance(value, enum.Enum):
        yield repr(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if not field.compare:  # where something is written, say
                continue
            yield field.name
            yield from _pieces(getattr(value, field.name, None), seen)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _pieces(key, seen)
            yield from _pieces(item, seen)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _pieces(item, seen)
    elif isinstance(value, (set, frozenset)):
        yield from sorted(digest(item) for item in value)
    elif isinstance(value, np.ndarray):
        yield str(value.dtype)
        yield (
            hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            if not (value.dtype.hasobject)
            else digest(value.tolist())
        )
    elif isinstance(value, (logging.Logger, logging.LoggerAdapter)):  # who listens is no part of a run
        yield value.name
    elif isinstance(value, types.FunctionType):
        yield from _function(value, seen)
    elif isinstance(value, types.MethodType):
        yield from _pieces(value.__func__, seen)
        owner = value.__self__
        is_plain = type(owner).__repr__ is object.__repr__  # what it shows is no more than its type
        yield from _pieces(getattr(owner, "__dict__", owner) if is_plain else owner, seen)
    elif isinstance(value, functools.partial):
        yield from _pieces((value.func, value.args, value.keywords), seen)
    elif isinstance(value, type):
        yield from _class(value)
    elif _is_frame(value):
        yield digest(value.to_arrow().to_pylist())
    elif _is_table(value):
        yield digest(value.to_pylist())
    elif _is_chosen(value):
        yield from _pieces((value.provider_name, list(value.elements)), seen)
    else:
        yield _ADDRESS.sub("", repr(value))


def _function(function: types.FunctionType, seen: dict[int, object]) -> Iterator[str]:
    yield _code(function)
    yield from _pieces(function.__defaults__, seen)
    for cell in function.__closure__ or ():
        try:
            yield from _pieces(cell.cell_contents, seen)
        except ValueError:  # not filled yet
            yield "empty"


def _class(cls: type) -> Iterator[str]:
    yield cls.__qualname__
    if cls.__module__ not in ("builtins", "typing") and not cls.__module__.startswith("deep_faker."):
        yield _code(cls)


def _dumped(thing: type | types.FunctionType) -> str:
    return ast.dump(ast.parse(textwrap.dedent(inspect.getsource(thing))))


def _code(thing: type | types.FunctionType) -> str:
    try:
        try:
            return _dumped(thing)
        except SystemError:  # CPython 3.11 may count the depth of its parser wrongly (gh-106905), once
            return _dumped(thing)
    except (OSError, TypeError, SyntaxError):
        code = getattr(thing, "__code__", None)
        if code is None:
            return ""
        consts = [const for const in code.co_consts if not isinstance(const, types.CodeType)]
        return repr((code.co_code, code.co_names, code.co_varnames, consts))

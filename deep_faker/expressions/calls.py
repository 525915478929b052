"""Calls of functions that are known to be pure: builtins, ``math``, ``datetime``, ``timedelta``."""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from operator import methodcaller

import numpy as np

from deep_faker.draws.race import race, race1, race_log, race_log1, won, won1
from deep_faker.expressions import arithmetic, runtime, times
from deep_faker.expressions.comparisons import negated
from deep_faker.expressions.emitter import NUMBERS, TEXTS, Emitter, Val
from deep_faker.expressions.lookups import mapping_get
from deep_faker.expressions.operators import binary, smallest
from deep_faker.expressions.rows import Conversion, RowCall, ValueCall, stable_hash
from deep_faker.expressions.text import length, text_method, to_text
from deep_faker.plan import Kind, Type

Args = Sequence[Val]
Handler = Callable[[Emitter, Args], Val]
_INT, _FLOAT, _BOOL = Type("int"), Type("float"), Type("bool")

# What other builtins give, where it does not depend on the arguments.
_KNOWN_RESULTS: dict[object, Kind] = {
    all: "bool", any: "bool", isinstance: "bool", callable: "bool", format: "str", ascii: "str", bin: "str",
    hex: "str", oct: "str", chr: "str", ord: "int", len: "int", str: "str", repr: "str", int: "int",
    float: "float", bool: "bool", math.fsum: "float", math.dist: "float", math.hypot: "float",
}  # fmt: skip
_MATH: dict[Kind, str] = {
    "float": (
        "acos acosh asin asinh atan atan2 atanh cbrt copysign cos cosh degrees dist erf erfc exp exp2 expm1 "
        "fmod gamma hypot ldexp lgamma log log10 log1p log2 nextafter pow radians remainder sin sinh tan "
        "tanh ulp"
    ),
    "int": "comb factorial gcd isqrt lcm perm",
    "bool": "isclose",
}
_TOWARD = ("floor", "ceil", "trunc")


def call_function(em: Emitter, function: object, name: str, args: Args, kwargs: Mapping[str, Val]) -> Val:
    """``function(*args, **kwargs)`` where ``function`` is a constant."""
    if isinstance(function, RowCall):
        return em.by_row(function.reason)
    if isinstance(function, Conversion):
        return _converted(em, function, args[0])
    if isinstance(function, ValueCall) and not any(v.kind == "entity" for v in args):
        return em.by_value(function.function, args, Type(function.kind))
    if function is timedelta:
        return times.length_of_time(em, args, kwargs)
    if function in (datetime, date):
        return times.instant(em, function, args, kwargs)
    handler = _HANDLERS.get(id(function))
    if handler is None or kwargs:
        kind: Kind = next((k for f, k in _KNOWN_RESULTS.items() if f is function), "object")
        return em.by_row(f"calls {name}()" + (" with keywords" if handler else ""), kind)
    return handler(em, args)


def _converted(em: Emitter, function: Conversion, v: Val) -> Val:
    """A value as one of another type: mostly it is of that type already."""
    want = function.type.kind
    if want != "object" and (v.kind in (want, "none") or (want in TEXTS and v.kind in TEXTS)):
        return v
    if want == "float" and v.kind == "int" and not v.constant:
        return Val(Type("float", v.type.optional), em.floats(v), v.nulls)
    may_be_none = want != "object" and (v.type.optional or v.kind == "object")
    return em.by_row(function.reason, want, optional=may_be_none)


def call_method(em: Emitter, receiver: Val, name: str, args: Args, kwargs: Mapping[str, Val]) -> Val:
    """``receiver.name(*args, **kwargs)``."""
    if kwargs and receiver.kind in times.TIMES and all(v.constant for v in (*args, *kwargs.values())):
        return _with_keywords(em, receiver, name, args, kwargs)
    if kwargs:
        return em.by_row(f"calls .{name}() with keywords", "str" if receiver.kind in TEXTS else "object")
    if receiver.kind in TEXTS:
        return text_method(em, receiver, name, args)
    if receiver.kind in times.TIMES:
        done = times.time_method(em, receiver, name, args)
        if done is not None:
            return done
    if receiver.kind == "float" and name == "is_integer" and not args:
        return em.by_value(float.is_integer, [em.solid(receiver)], _BOOL)
    if receiver.constant and type(receiver.value) is dict and name == "get":
        return mapping_get(em, receiver.value, args)
    return em.by_row(f"calls .{name}() of {_owner(receiver)}")


def _with_keywords(em: Emitter, receiver: Val, name: str, args: Args, kwargs: Mapping[str, Val]) -> Val:
    """``clock.replace(minute=0)``: the keywords are constant."""
    values, named = [v.value for v in args], {key: v.value for key, v in kwargs.items()}
    if name not in ("replace", "isoformat") or "tzinfo" in named:
        return em.by_row(f"calls .{name}() with keywords")
    kind: Kind = "str" if name == "isoformat" else receiver.kind
    call = methodcaller(name, *values, **named)
    return em.by_value(call, [em.solid(receiver)], Type(kind))


def _owner(v: Val) -> str:
    return "a value of no single type" if v.kind == "object" else v.kind


def _one(rule: Callable[[Emitter, Val], Val], kind: Kind) -> Handler:
    def handle(em: Emitter, args: Args) -> Val:
        if len(args) != 1:
            return em.by_row("a call with other than one argument", kind)
        return rule(em, args[0])

    return handle


def _boolean(em: Emitter, args: Args) -> Val:
    return em.truth(args[0]) if len(args) == 1 else em.by_row("bool() of other than one value", "bool")


def _round(em: Emitter, args: Args) -> Val:
    if not 1 <= len(args) <= 2:
        return em.by_row("raises TypeError")
    return arithmetic.rounded(em, args[0], args[1] if len(args) == 2 else None)


def _extreme(*, greatest: bool) -> Handler:
    def handle(em: Emitter, args: Args) -> Val:
        if len(args) < 2:
            if len(args) == 1 and args[0].constant:
                return em.fold(max if greatest else min, args[0].value)
            return em.by_row(f"{'max' if greatest else 'min'}() of a collection")
        return smallest(em, list(args), greatest=greatest)

    return handle


def _power(em: Emitter, args: Args) -> Val:
    return binary(em, ast.Pow, *args) if len(args) == 2 else em.by_row("pow() with a modulus")


def _hash(em: Emitter, v: Val) -> Val:
    if v.constant:
        return em.fold(stable_hash, v.value)
    if v.kind == "entity":
        return em.by_row("hash() of an entity", "int")
    return em.by_value(stable_hash, [v], _INT)


def _character(em: Emitter, v: Val) -> Val:
    return em.by_value(chr, [em.solid(v)], Type("str"))


def _ordinal(em: Emitter, v: Val) -> Val:
    return em.by_value(ord, [em.solid(v)], _INT)


def _range(em: Emitter, args: Args) -> Val:
    if not all(v.constant for v in args):
        return em.by_row("a range that varies")
    try:
        return Val(Type("object"), constant=True, value=range(*(v.value for v in args)))
    except (TypeError, ValueError) as error:
        return em.by_row(f"raises {type(error).__name__}")


def _formatted(em: Emitter, args: Args) -> Val:
    if any(v.kind == "entity" for v in args):
        return em.by_row("the text of an entity", "str")
    return em.by_value(format, list(args), Type("str"))


def _math_value(function: Callable[..., object], kind: Kind) -> Handler:
    def handle(em: Emitter, args: Args) -> Val:
        operands = [em.solid(v) for v in args]
        if any(v.kind not in (*NUMBERS, "object") and not v.constant for v in operands):
            return em.by_row(f"math.{function.__name__}() of other than numbers", kind)
        return em.by_value(function, operands, Type(kind))

    return handle


def _square_root(em: Emitter, v: Val) -> Val:
    if v.constant:
        return em.fold(math.sqrt, v.value)
    v = em.solid(v)
    if v.kind not in NUMBERS:
        return em.by_row("math.sqrt() of other than a number", "float")
    return Val(_FLOAT, f"{em.f(np.sqrt)}({em.f(runtime.not_negative)}({em.guarded(em.floats(v), '1.0')}))")


def _float_value(em: Emitter, v: Val) -> Val:
    if v.constant:
        return em.fold(math.fabs, v.value)
    v = em.solid(v)
    if v.kind not in NUMBERS:
        return em.by_row("math.fabs() of other than a number", "float")
    return Val(_FLOAT, f"{em.f(np.abs)}({em.floats(v)})")


def _test(function: Callable[..., bool], twin: Callable[..., object]) -> Callable[[Emitter, Val], Val]:
    def handle(em: Emitter, v: Val) -> Val:
        if v.constant:
            return em.fold(function, v.value)
        v = em.solid(v)
        if v.kind not in NUMBERS:
            return em.by_row(f"math.{function.__name__}() of other than a number", "bool")
        if v.kind != "float":
            em.dropped(v)
            return em.constant(function(0))
        return Val(_BOOL, f"{em.f(twin)}({v.code})")

    return handle


def _raced(one: Callable[..., object], column: Callable[..., object]) -> Handler:
    """The time of an option in a choice: (word, label, weight)."""

    def handle(em: Emitter, args: Args) -> Val:
        word, label, weight = args
        weight = em.solid(weight)
        if weight.kind not in NUMBERS or em.active:
            return em.by_value(one, [word, label, weight], _FLOAT)
        return Val(_FLOAT, f"{em.f(column)}({word.code}, {em.bind(label.value)}, {em.floats(weight)})")

    return handle


def _first(em: Emitter, args: Args) -> Val:
    """The place that has won, where any has."""
    place, time = args
    if em.active or place.constant:
        return em.by_value(won1, [place, time], _INT)
    return Val(_INT, f"{em.f(won)}({em.ints(place)}, {em.floats(time)})", low=place.low, high=place.high)


def _toward(function: Callable[..., object]) -> Callable[[Emitter, Val], Val]:
    return lambda em, v: arithmetic.toward(em, v, function)


_HANDLERS: dict[int, Handler] = {
    id(builtins.len): _one(length, "int"),
    id(str): _one(to_text, "str"),
    id(builtins.repr): _one(lambda em, v: to_text(em, v, repr), "str"),
    id(int): _one(arithmetic.to_int, "int"),
    id(float): _one(arithmetic.to_float, "float"),
    id(bool): _boolean,
    id(builtins.abs): _one(arithmetic.absolute, "object"),
    id(builtins.round): _round,
    id(builtins.min): _extreme(greatest=False),
    id(builtins.max): _extreme(greatest=True),
    id(builtins.pow): _power,
    id(builtins.hash): _one(_hash, "int"),
    id(stable_hash): _one(_hash, "int"),
    id(range): _range,
    id(builtins.chr): _one(_character, "str"),
    id(builtins.ord): _one(_ordinal, "int"),
    id(builtins.format): _formatted,
    id(math.sqrt): _one(_square_root, "float"),
    id(math.fabs): _one(_float_value, "float"),
    id(race1): _raced(race1, race),
    id(race_log1): _raced(race_log1, race_log),
    id(won1): _first,
    id(math.isnan): _one(_test(math.isnan, np.isnan), "bool"),
    id(math.isinf): _one(_test(math.isinf, np.isinf), "bool"),
    id(math.isfinite): _one(_test(math.isfinite, np.isfinite), "bool"),
}
for _kind, _names in _MATH.items():
    for _name in _names.split():
        if hasattr(math, _name):  # cbrt and exp2 are of Python 3.11
            _HANDLERS[id(getattr(math, _name))] = _math_value(getattr(math, _name), _kind)
for _name in _TOWARD:
    _HANDLERS[id(getattr(math, _name))] = _one(_toward(getattr(math, _name)), "int")

__all__ = ["call_function", "call_method", "negated"]

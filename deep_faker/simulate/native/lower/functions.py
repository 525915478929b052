"""Calls that have a native form: builtins, ``math``, ``timedelta``, and the methods of times."""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from operator import methodcaller

from deep_faker.declare.actions import UNITS
from deep_faker.draws.race import label_key, race1, race_log1, won1
from deep_faker.expressions import Conversion, RowCall, ValueCall, stable_hash
from deep_faker.plan import Type
from deep_faker.simulate.native import opcodes as op
from deep_faker.simulate.native.lower.assembler import Register
from deep_faker.simulate.native.lower.lookups import mapping_get
from deep_faker.simulate.native.lower.operands import (
    BOOL,
    FLOAT,
    INT,
    INTEGRAL,
    NUMBERS,
    TEXTS,
    Test,
    UnlowerableError,
    Val,
    Writer,
)
from deep_faker.simulate.native.lower.operators import DATE, DAY, LENGTH, TIMES, absolute, binary, smallest

Args = Sequence[Val]
Handler = Callable[[Writer, Args, "Register | None"], Val]
_POSITIONS = ("days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks")


def call_function(
    w: Writer, function: object, args: Args, kwargs: Mapping[str, Val], dest: Register | None
) -> Val:
    """``function(*args, **kwargs)`` where ``function`` is a constant."""
    if isinstance(function, RowCall):
        raise UnlowerableError(function.reason)
    if isinstance(function, Conversion):
        return _converted(w, function, args[0], dest)
    if isinstance(function, ValueCall) and not any(v.kind == "entity" for v in args):
        return w.by_value(function.function, args, Type(function.kind))
    if function is timedelta:
        return _length_of_time(w, args, kwargs, dest)
    if function in (datetime, date):
        return _instant(w, function, args, kwargs)
    handler = _HANDLERS.get(id(function))
    if handler is None or kwargs:
        raise UnlowerableError("calls a function")
    return handler(w, args, dest)


def _converted(w: Writer, function: Conversion, v: Val, dest: Register | None) -> Val:
    """A value as one of another type: mostly it is of that type already."""
    want = function.type.kind
    if want != "object" and (v.kind in (want, "none") or (want in TEXTS and v.kind in TEXTS)):
        return v
    if want == "float" and not v.constant:
        if v.kind == "int":
            v = w.named(v)
            return Val(Type("float", v.type.optional), w.make(op.TO_FLOAT, w.reg(v), dest=dest), v.null)
        if v.floats is not None:
            return Val(FLOAT, v.floats)
    raise UnlowerableError(function.reason)


def call_method(
    w: Writer, receiver: Val, name: str, args: Args, kwargs: Mapping[str, Val], dest: Register | None
) -> Val:
    """``receiver.name(*args, **kwargs)``."""
    if receiver.kind in TIMES and not args and not kwargs and not receiver.constant:
        done = _time_method(w, receiver, name, dest)
        if done is not None:
            return done
    if receiver.constant and type(receiver.value) is dict and name == "get" and not kwargs:
        return mapping_get(w, receiver.value, args)
    if receiver.kind in TEXTS and not kwargs:
        return w.by_value(methodcaller_of(name), [w.solid(receiver), *args], None)
    if receiver.kind in (*TIMES, "float") and all(v.constant for v in (*args, *kwargs.values())):
        call = methodcaller(name, *(v.value for v in args), **{key: v.value for key, v in kwargs.items()})
        return w.by_value(call, [w.solid(receiver)], None)
    raise UnlowerableError(f"calls .{name}()")


def methodcaller_of(name: str) -> Callable[..., object]:
    """The method of a text that comes with its arguments.

    >>> methodcaller_of("replace")("abc", "b", "-")
    'a-c'
    """
    return lambda text, *args: getattr(text, name)(*args)


# ---------------------------------------------------------------- times


def time_attribute(w: Writer, v: Val, name: str, dest: Register | None) -> Val | None:
    """``v.name``, None if there is no such attribute."""
    field = _FIELDS.get((v.kind, name))
    part = _PARTS.get(name)
    if field is not None:
        return Val(INT, w.make(op.FIELD, w.reg(w.solid(v)), *field, dest=dest))
    if v.kind in ("datetime", "date") and part is not None:
        unit = DAY if v.kind == "datetime" else 1
        return Val(INT, w.make(op.CIVIL, w.reg(w.solid(v)), unit, part, dest=dest))
    return None


_PARTS = {"year": 0, "month": 1, "day": 2}
_FIELDS: dict[tuple[str, str], tuple[int, int, int]] = {  # unit, plus, modulus
    ("datetime", "hour"): (3_600_000_000, 0, 24),
    ("datetime", "minute"): (60_000_000, 0, 60),
    ("datetime", "second"): (1_000_000, 0, 60),
    ("datetime", "microsecond"): (1, 0, 1_000_000),
    ("timedelta", "days"): (DAY, 0, 0),
    ("timedelta", "seconds"): (1_000_000, 0, 86_400),
    ("timedelta", "microseconds"): (1, 0, 1_000_000),
}


def _time_method(w: Writer, v: Val, name: str, dest: Register | None) -> Val | None:
    if (v.kind, name) == ("timedelta", "total_seconds"):
        return Val(FLOAT, w.risky(op.DIVI, w.reg(w.solid(v)), w.number(1_000_000), dest=dest))
    if v.kind not in ("datetime", "date"):
        return None
    unit = DAY if v.kind == "datetime" else 1
    if name == "date" and v.kind == "datetime":
        return Val(DATE, w.make(op.FIELD, w.reg(w.solid(v)), unit, 0, 0, dest=dest))
    if name == "toordinal":
        return Val(INT, w.make(op.FIELD, w.reg(w.solid(v)), unit, 719_163, 0, dest=dest))
    if name == "weekday":  # 1970-01-01 was a Thursday
        return Val(INT, w.make(op.FIELD, w.reg(w.solid(v)), unit, 3, 7, dest=dest))
    if name == "isoweekday":
        weekday = w.make(op.FIELD, w.reg(w.solid(v)), unit, 3, 7)
        return Val(INT, w.risky(op.ADDI, weekday, w.number(1), dest=dest))
    return None


def _length_of_time(w: Writer, args: Args, kwargs: Mapping[str, Val], dest: Register | None) -> Val:
    """``timedelta(...)``."""
    parts = dict(zip(_POSITIONS, args, strict=False))
    if len(args) > len(_POSITIONS) or set(kwargs) & set(parts) or set(kwargs) - set(_POSITIONS):
        raise UnlowerableError("raises TypeError")
    parts |= kwargs
    if all(v.constant for v in parts.values()):
        return w.fold(lambda: timedelta(**{name: v.value for name, v in parts.items()}))
    parts = {name: w.solid(v) for name, v in parts.items()}
    if any(v.kind not in NUMBERS for v in parts.values()):
        raise UnlowerableError("timedelta() of other than numbers")
    whole: Register | None = None
    for name, v in parts.items():
        if v.kind != "float":
            last = whole is None and len(parts) == 1
            unit = w.number(UNITS[name])
            each = w.risky(op.MULI, w.ints(v), unit, dest=dest if last else None)
            whole = each if whole is None else w.risky(op.ADDI, whole, each)
    floats = [
        (w.floats(parts[n]), unit) for n, unit in UNITS.items() if n in parts and parts[n].kind == "float"
    ]
    if not floats:
        assert whole is not None
        return Val(LENGTH, whole)
    total, left = w.scratch(), w.scratch()
    w.move(total, w.number(0) if whole is None else whole)
    w.move(left, w.number(0))
    for amount, unit_ in floats:
        w.put(op.PART, total, left, amount, unit_, w.trouble)
    return Val(LENGTH, w.risky(op.CARRY, total, left, dest=dest))


def _instant(w: Writer, cls: type, args: Args, kwargs: Mapping[str, Val]) -> Val:
    if not all(v.constant for v in (*args, *kwargs.values())):
        raise UnlowerableError(f"{cls.__name__}() of varying parts")
    return w.fold(lambda: cls(*(v.value for v in args), **{k: v.value for k, v in kwargs.items()}))


# ---------------------------------------------------------------- numbers


def _one(rule: Callable[[Writer, Val, Register | None], Val]) -> Handler:
    def handle(w: Writer, args: Args, dest: Register | None) -> Val:
        if len(args) != 1:
            raise UnlowerableError("a call with other than one argument")
        return rule(w, args[0], dest)

    return handle


def _round(w: Writer, args: Args, dest: Register | None) -> Val:
    """``round(a, digits)``."""
    if not 1 <= len(args) <= 2:
        raise UnlowerableError("raises TypeError")
    a, digits = args[0], args[1] if len(args) == 2 else None
    if all(v.constant for v in args):
        return w.fold(round, *(v.value for v in args))
    a = w.solid(a)
    if digits is not None and not digits.constant:
        return w.by_value(round, [a, digits], None)
    places = None if digits is None else digits.value
    if places is not None and type(places) not in (int, bool):
        raise UnlowerableError("raises TypeError")
    if a.kind in INTEGRAL and (places is None or places >= 0):
        return Val(INT, w.ints(a))
    if a.kind != "float":
        return w.by_value(lambda v: round(v, places), [a], None)
    if places is None:
        return Val(INT, w.risky(op.ROUND_INT, w.reg(a), dest=dest))
    if not -22 <= places <= 22:  # powers of ten that are floats without loss
        raise UnlowerableError("round() to so many digits")
    scale = w.floats(w.constant(float(10 ** abs(places))))
    if places >= 0:
        return Val(FLOAT, w.make(op.ROUND, w.reg(a), scale, dest=dest))
    return Val(FLOAT, w.risky(op.ROUND_TENS, w.reg(a), scale, dest=dest))


def _toward(code: int, function: Callable[..., object]) -> Handler:
    """``int``, ``math.floor``, ``math.ceil``, ``math.trunc``."""

    def rule(w: Writer, a: Val, dest: Register | None) -> Val:
        if a.constant:
            return w.fold(function, a.value)
        a = w.solid(a)
        if a.kind in INTEGRAL:
            return Val(INT, w.ints(a))
        if w.numeric(a):
            return Val(INT, w.risky(code, w.floats(a, exact=True), dest=dest))
        return w.by_value(function, [a], INT)

    return _one(rule)


def _float(w: Writer, a: Val, dest: Register | None) -> Val:
    if a.constant:
        return w.fold(float, a.value)
    a = w.solid(a)
    if a.kind in INTEGRAL and a.table is None:
        return Val(FLOAT, w.make(op.TO_FLOAT, w.reg(a), dest=dest))
    if w.numeric(a):
        return Val(FLOAT, w.floats(a))
    return w.by_value(float, [a], FLOAT)


def _extreme(*, greatest: bool) -> Handler:
    def handle(w: Writer, args: Args, _: Register | None) -> Val:
        if len(args) < 2:
            if len(args) == 1 and args[0].constant:
                return w.fold(max if greatest else min, args[0].value)
            raise UnlowerableError("the least of a collection")
        return smallest(w, list(args), greatest=greatest)

    return handle


def _power(w: Writer, args: Args, dest: Register | None) -> Val:
    if len(args) != 2:
        raise UnlowerableError("pow() with a modulus")
    return binary(w, ast.Pow, args[0], args[1], dest)


def _hash(w: Writer, v: Val, dest: Register | None) -> Val:
    if v.constant:
        return w.fold(stable_hash, v.value)
    if v.kind in INTEGRAL and v.null is None:
        return Val(INT, w.make(op.HASHI, w.reg(v), dest=dest))
    return w.by_value(stable_hash, [v], INT)


def _of_text(function: Callable[[str], int]) -> Handler:
    return _one(lambda w, v, _: w.by_value(function, [w.solid(v)], INT))


def _text(_w: Writer, v: Val, _: Register | None) -> Val:
    """``str(v)`` of a text."""
    if v.kind not in TEXTS or v.null is not None:
        raise UnlowerableError(f"the text of {v.kind}")
    return v


def _math(name: str) -> Handler:
    which, function = op.FUNCTIONS.index(name), getattr(math, name)

    def rule(w: Writer, v: Val, dest: Register | None) -> Val:
        if v.constant:
            return w.fold(function, v.value)
        v = w.solid(v)
        if not w.numeric(v):
            raise UnlowerableError(f"math.{name}() of other than a number")
        return Val(FLOAT, w.risky(op.MATH, w.floats(v), which, dest=dest))

    return _one(rule)


def _math_of_two(name: str) -> Handler:
    which, function = op.FUNCTIONS2.index(name), getattr(math, name)

    def handle(w: Writer, args: Args, dest: Register | None) -> Val:
        if len(args) != 2:
            raise UnlowerableError("raises TypeError")
        if all(v.constant for v in args):
            return w.fold(function, *(v.value for v in args))
        args = [w.solid(v) for v in args]
        if not all(map(w.numeric, args)):
            raise UnlowerableError(f"math.{name}() of other than numbers")
        return Val(FLOAT, w.risky(op.MATH2, *map(w.floats, args), which, dest=dest))

    return handle


def _logarithm(w: Writer, args: Args, dest: Register | None) -> Val:
    """``math.log(a, base)`` is a quotient."""
    if all(v.constant for v in args):
        return w.fold(math.log, *(v.value for v in args))
    if len(args) != 2:
        return _LOG(w, args, dest)
    over, under = (_LOG(w, [v], None) for v in args)
    return Val(FLOAT, w.risky(op.DIVF, w.floats(over), w.floats(under), dest=dest))


_LOG = _math("log")


def _linear(function: Callable[[float], float], factor: float) -> Handler:
    """``math.degrees`` and ``math.radians`` multiply by a constant."""

    def rule(w: Writer, v: Val, dest: Register | None) -> Val:
        if v.constant:
            return w.fold(function, v.value)
        v = w.solid(v)
        if not w.numeric(v):
            raise UnlowerableError("an angle that is no number")
        return Val(FLOAT, w.make(op.MULF, w.floats(v), w.floats(w.constant(factor)), dest=dest))

    return _one(rule)


def _magnitude(w: Writer, v: Val, dest: Register | None) -> Val:
    if v.constant:
        return w.fold(math.fabs, v.value)
    v = w.solid(v)
    if not w.numeric(v):
        raise UnlowerableError("math.fabs() of other than a number")
    return Val(FLOAT, w.make(op.ABSF, w.floats(v), dest=dest))


def _finite(name: str) -> Handler:
    which, function = op.FINITE_TESTS.index(name), getattr(math, name)

    def rule(w: Writer, v: Val, _: Register | None) -> Val:
        if v.constant:
            return w.fold(function, v.value)
        v = w.solid(v)
        if not w.numeric(v):
            raise UnlowerableError(f"math.{name}() of other than a number")
        if v.kind in INTEGRAL:
            w.dropped(v)
            return w.constant(function(0))
        return Val(BOOL, test=Test("flag", w.make(op.FINITE, w.floats(v), which)))

    return _one(rule)


def _raced(logarithm: int) -> Handler:
    """The time of an option in a choice: (word, label, weight)."""

    def handle(w: Writer, args: Args, dest: Register | None) -> Val:
        word, label, weight = args
        weight = w.solid(weight)
        if not w.numeric(weight):
            raise UnlowerableError("a weight that is no number")
        key = label_key(label.value)
        signed = key - (1 << 64) if key >> 63 else key
        return Val(FLOAT, w.risky(op.RACE, w.reg(word), w.floats(weight), signed, logarithm, dest=dest))

    return handle


def _first(w: Writer, args: Args, _: Register | None) -> Val:
    """The place that has won; trouble where none has."""
    place, time = args
    lost = w.make(op.EQF, w.floats(time), w.floats(w.constant(math.inf)))
    w.put(op.TRAP, lost, w.trouble)
    return place


def _range(w: Writer, args: Args, _: Register | None) -> Val:
    if not all(v.constant for v in args):
        raise UnlowerableError("a range that varies")
    return w.fold(range, *(v.value for v in args))


_HANDLERS: dict[int, Handler] = {
    id(range): _range,
    id(race1): _raced(0),
    id(race_log1): _raced(1),
    id(won1): _first,
    id(builtins.len): _of_text(len),
    id(builtins.ord): _of_text(ord),
    id(str): _one(_text),
    id(int): _toward(op.TRUNC, int),
    id(float): _one(_float),
    id(bool): _one(lambda w, v, _: w.truth(v)),
    id(builtins.abs): _one(absolute),
    id(builtins.round): _round,
    id(builtins.min): _extreme(greatest=False),
    id(builtins.max): _extreme(greatest=True),
    id(builtins.pow): _power,
    id(builtins.hash): _one(_hash),
    id(stable_hash): _one(_hash),
    id(math.floor): _toward(op.FLOOR, math.floor),
    id(math.ceil): _toward(op.CEIL, math.ceil),
    id(math.trunc): _toward(op.TRUNC, math.trunc),
    id(math.fabs): _one(_magnitude),
    id(math.degrees): _linear(math.degrees, 180.0 / math.pi),
    id(math.radians): _linear(math.radians, math.pi / 180.0),
    **{id(getattr(math, name)): _math(name) for name in op.FUNCTIONS},
    **{id(getattr(math, name)): _math_of_two(name) for name in op.FUNCTIONS2},
    **{id(getattr(math, name)): _finite(name) for name in op.FINITE_TESTS},
    id(math.log): _logarithm,
}

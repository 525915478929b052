"""Instants and lengths of time: arithmetic, attributes and constructors on int64 microseconds."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta

import numpy as np

from deep_faker.declare.actions import UNITS
from deep_faker.expressions import arithmetic, runtime
from deep_faker.expressions.emitter import HIGHEST, LOWEST, Emitter, Val
from deep_faker.plan import Array, Type

TIMES = ("datetime", "date", "timedelta")
_DAY = 86_400_000_000
_INT, _FLOAT, _STR, _LENGTH = Type("int"), Type("float"), Type("str"), Type("timedelta")
_POSITIONS = ("days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks")


def _number(v: Val, em: Emitter) -> Val:
    """The microseconds (or days) behind a time, as an int."""
    if v.constant:
        return em.constant(int(em.literal(v.value, v.kind).strip("()")))
    low, high = {"datetime": runtime._DATETIMES, "date": runtime._DATES}.get(v.kind, (LOWEST, HIGHEST))  # noqa: SLF001
    return Val(_INT, v.code, low=low, high=high)


def time_operator(em: Emitter, op: type[ast.AST], function: Callable[..., object], a: Val, b: Val) -> Val:
    """``a op b`` where one of them is an instant or a length of time."""
    kinds = (a.kind, b.kind)
    x, y = (_number(v, em) if v.kind in TIMES else v for v in (a, b))
    if op is ast.Sub and kinds == ("datetime", "datetime"):
        return Val(_LENGTH, arithmetic.subtract(em, x, y).code)
    if op is ast.Sub and kinds == ("date", "date"):
        return Val(_LENGTH, f"({arithmetic.subtract(em, x, y).code} * {_DAY})")
    if op in (ast.Add, ast.Sub):
        combine = arithmetic.add if op is ast.Add else arithmetic.subtract
        if kinds == ("timedelta", "timedelta"):
            return Val(_LENGTH, combine(em, x, y).code)
        if kinds == ("datetime", "timedelta") or (kinds == ("timedelta", "datetime") and op is ast.Add):
            return Val(Type("datetime"), f"{em.f(runtime.datetimes)}({combine(em, x, y).code})")
        if kinds == ("date", "timedelta") or (kinds == ("timedelta", "date") and op is ast.Add):
            moved, by = (x, y) if kinds[0] == "date" else (y, x)
            days = arithmetic.floor_divide(em, by, em.constant(_DAY))  # Python adds the days only
            return Val(Type("date"), f"{em.f(runtime.dates)}({combine(em, moved, days).code})")
    if kinds == ("timedelta", "timedelta"):
        if op is ast.Div:
            return arithmetic.divide(em, x, y)
        if op is ast.FloorDiv:
            return arithmetic.floor_divide(em, x, y)
        if op is ast.Mod:
            return Val(_LENGTH, arithmetic.modulo(em, x, y).code)
    if op is ast.Mult and set(kinds) <= {"timedelta", "int", "bool"} and kinds[0] != kinds[1]:
        return Val(_LENGTH, arithmetic.multiply(em, x, y).code)
    if op is ast.FloorDiv and kinds in (("timedelta", "int"), ("timedelta", "bool")):
        return Val(_LENGTH, arithmetic.floor_divide(em, x, y).code)
    if (op is ast.Mult and set(kinds) == {"timedelta", "float"}) or (
        op is ast.Div and kinds in (("timedelta", "int"), ("timedelta", "float"))
    ):
        return em.by_value(function, [a, b], _LENGTH)
    return em.by_row(f"an operation on {a.kind} and {b.kind}")


# ---------------------------------------------------------------- attributes and methods


def time_attribute(em: Emitter, v: Val, name: str) -> Val | None:
    """``v.name``, None if there is no such attribute by column."""
    rule = _ATTRIBUTES.get((v.kind, name))
    if rule is None:
        return None
    function, low, high = rule
    v = em.solid(v)
    code = em.guarded_nulls(v)
    return Val(_INT, f"{em.f(function)}({code})", low=low, high=high)


def _year(a: Array) -> Array:
    return _cut(a, "M8[us]", "M8[Y]") + 1970


def _month(a: Array) -> Array:
    return _cut(a, "M8[us]", "M8[M]") % 12 + 1


def _day(a: Array) -> Array:
    return _day_of(a // _DAY)


def _day_of(days: Array) -> Array:
    months = days.view("M8[D]").astype("M8[M]")
    first: Array = months.astype("M8[D]").view(np.int64)
    return days - first + 1


def _year_of(a: Array) -> Array:
    return _cut(a, "M8[D]", "M8[Y]") + 1970


def _month_of(a: Array) -> Array:
    return _cut(a, "M8[D]", "M8[M]") % 12 + 1


def _cut(a: Array, unit_of_column: str, unit: str) -> Array:
    return np.ascontiguousarray(a).view(unit_of_column).astype(unit).view(np.int64)


def _hour(a: Array) -> Array:
    return a // 3_600_000_000 % 24


def _minute(a: Array) -> Array:
    return a // 60_000_000 % 60


def _second(a: Array) -> Array:
    return a // 1_000_000 % 60


def _microsecond(a: Array) -> Array:
    return a % 1_000_000


def _days(a: Array) -> Array:
    return a // _DAY


def _seconds(a: Array) -> Array:
    return a // 1_000_000 % 86_400


_ATTRIBUTES: dict[tuple[str, str], tuple[Callable[[Array], Array], int, int]] = {
    ("datetime", "year"): (_year, 1, 9999),
    ("datetime", "month"): (_month, 1, 12),
    ("datetime", "day"): (_day, 1, 31),
    ("datetime", "hour"): (_hour, 0, 23),
    ("datetime", "minute"): (_minute, 0, 59),
    ("datetime", "second"): (_second, 0, 59),
    ("datetime", "microsecond"): (_microsecond, 0, 999_999),
    ("date", "year"): (_year_of, 1, 9999),
    ("date", "month"): (_month_of, 1, 12),
    ("date", "day"): (_day_of, 1, 31),
    ("timedelta", "days"): (_days, -(10**9), 10**9),
    ("timedelta", "seconds"): (_seconds, 0, 86_399),
    ("timedelta", "microseconds"): (_microsecond, 0, 999_999),
}


def time_method(em: Emitter, v: Val, name: str, args: Sequence[Val]) -> Val | None:
    """``v.name(*args)``, None if there is no such method by column."""
    if (v.kind, name) in _WRITTEN:
        return em.by_value(_WRITTEN[v.kind, name], [em.solid(v), *args], _STR)
    if args or (v.kind, name) not in _METHODS:
        return None
    if v.constant:
        return em.fold(getattr(v.value, name))
    v = em.solid(v)
    number = _number(v, em)
    if name == "total_seconds":
        return arithmetic.divide(em, number, em.constant(1_000_000))
    if name == "date":
        return Val(Type("date"), f"({v.code} // {_DAY})")
    days = f"({v.code} // {_DAY})" if v.kind == "datetime" else v.code
    if name == "toordinal":
        return Val(_INT, f"({days} + 719163)", low=1, high=3_652_059)
    first = 1 if name == "isoweekday" else 0  # 1970-01-01 was a Thursday
    return Val(_INT, f"(({days} + 3) % 7 + {first})", low=first, high=6 + first)


_METHODS = {
    ("timedelta", "total_seconds"),
    ("datetime", "date"),
    *((kind, name) for kind in ("datetime", "date") for name in ("weekday", "isoweekday", "toordinal")),
}
_WRITTEN: dict[tuple[str, str], Callable[..., str]] = {
    ("datetime", "isoformat"): datetime.isoformat,
    ("datetime", "strftime"): datetime.strftime,
    ("datetime", "ctime"): datetime.ctime,
    ("date", "isoformat"): date.isoformat,
    ("date", "strftime"): date.strftime,
    ("date", "ctime"): date.ctime,
}


# ---------------------------------------------------------------- constructors


def length_of_time(em: Emitter, args: Sequence[Val], kwargs: Mapping[str, Val]) -> Val:
    """``timedelta(...)``."""
    amounts = dict(zip(_POSITIONS, args, strict=False))
    if len(args) > len(_POSITIONS) or set(kwargs) & set(amounts) or set(kwargs) - set(_POSITIONS):
        return em.by_row("raises TypeError", "timedelta")
    amounts |= kwargs
    amounts = {name: em.solid(v) for name, v in amounts.items()}
    if any(v.kind not in ("bool", "int", "float") for v in amounts.values()):
        return em.by_row("timedelta() of other than numbers", "timedelta")
    if all(v.constant for v in amounts.values()):
        return em.fold(lambda: timedelta(**{name: v.value for name, v in amounts.items()}))
    ints = [
        arithmetic.multiply(em, v, em.constant(UNITS[name]))
        for name, v in amounts.items()
        if v.kind != "float"
    ]
    floats = [
        (em.floats(amounts[name]), unit)
        for name, unit in UNITS.items()
        if name in amounts and amounts[name].kind == "float"
    ]
    if floats:
        pairs = ", ".join(f"({source}, {unit})" for source, unit in floats)
        whole = ints[0] if ints else em.constant(0)
        for each in ints[1:]:
            whole = arithmetic.add(em, whole, each)
        start = em.ints(whole)
        em.warns = True
        return Val(_LENGTH, f"{em.f(float_micros)}({start}, {em.size}, {pairs})")
    total = ints[0]
    for each in ints[1:]:
        total = arithmetic.add(em, total, each)
    return Val(_LENGTH, em.ints(total))


def float_micros(start: Array | int, n: int, *parts: tuple[Array | float, int]) -> Array:
    """Microseconds of fractional units, rounded as Python's constructor rounds: half to even at the end.

    >>> float_micros(0, 2, (np.array([0.5, 1.25]), 1_000_000)).tolist()
    [500000, 1250000]
    """
    total = np.zeros(n, np.int64) + start
    left: Array | float | None = None
    for amount, unit in parts:
        fraction, number = np.modf(amount)
        if not (np.abs(number) < 2.0**62 / unit).all():
            raise runtime.Trouble
        total = runtime.add(total, np.zeros(n, np.int64) + number.astype(np.int64) * unit)
        if unit > 1:
            fraction, number = np.modf(fraction * unit)
            total = runtime.add(total, np.zeros(n, np.int64) + number.astype(np.int64))
        left = fraction if left is None else left + fraction
    assert left is not None
    # Python rounds the sum of whole and fraction half to even, not the fraction alone.
    odd = (total & 1).astype(np.float64)
    whole = np.rint(left)
    whole = np.where(np.abs(whole - left) == 0.5, 2.0 * np.rint((left + odd) * 0.5) - odd, whole)
    return runtime.add(total, np.zeros(n, np.int64) + whole.astype(np.int64))


def instant(em: Emitter, cls: type, args: Sequence[Val], kwargs: Mapping[str, Val]) -> Val:
    """``datetime(...)`` or ``date(...)``."""
    kind = "datetime" if cls is datetime else "date"
    if all(v.constant for v in (*args, *kwargs.values())):
        return em.fold(lambda: cls(*(v.value for v in args), **{k: v.value for k, v in kwargs.items()}))
    if kwargs or any(v.kind not in ("int", "bool") for v in args):
        return em.by_row(f"{kind}() of varying keywords", "datetime" if cls is datetime else "date")
    return em.by_value(cls, [em.solid(v) for v in args], Type("datetime" if cls is datetime else "date"))

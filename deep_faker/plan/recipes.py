"""How a generated field's value is computed from keyed draws: few steps that a native kernel can do exactly.

Providers write them (`Steps`), the lowering of a plan reads them (`Recipe`). What is no number is a number
too: the place of a text or object in a tuple of all that there are.

>>> steps = Steps()
>>> quantity = steps.mix(7).below(5) + 1
>>> recipe = steps.recipe(Type("int"), quantity)
>>> [step.op for step in recipe.steps]
['mix', 'constant', 'below', 'constant', 'add']
>>> evaluate(recipe, flow=3, action=1) in range(1, 6)
True
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from deep_faker.draws.distributions.gamma import log_gamma1, log_gamma_bounds
from deep_faker.draws.exact import exp1_, log1_, normal_from_unit1
from deep_faker.draws.mix import F64, MASK, U64, below1, mix1, open_unit1, unit1
from deep_faker.plan.storage import one_from_storage
from deep_faker.plan.types import Type

# fmt: off
Op = Literal[
    "mix", "clock", "constant", "high", "low", "below", "at_most", "unit", "open_unit", "alias",
    "cumulated", "table", "add", "subtract", "multiply", "floor_divide", "modulo", "divide", "equal",
    "less", "select", "to_int", "to_float", "rint", "round", "log", "exp", "normal", "again", "log_gamma",
    "given", "between",
]
# fmt: on
"""What a step does.

=============  ==========================  ==================================================================
``op``         ``of``                      value
=============  ==========================  ==================================================================
mix            (by a key)                  draw ``mix(key, flow, action)``
clock                                      int: the flow's clock at the event, in µs
constant       (by its value)              draw, int, float or bool
high           draw                        draw: its high 32 bits, the low ones 0
low            draw                        draw: its low 32 bits, moved up
below          draw, draw or int n         int ``draw * n >> 64``; 1 ≤ n ≤ 2**63
at_most        draw, draw                  bool ``a <= b``, unsigned
unit           draw                        float ``(draw >> 11) * 2.0**-53``
open_unit      draw                        float ``((draw >> 12) + 0.5) * 2.0**-52``
alias          draw (by entries)           int: with n entries and p = draw * n, the place ``p >> 64``, or
                                           ``entry & (2**32 - 1)`` of the entry there, where its high 32 bits
                                           are not above ``(p & (2**64 - 1)) >> 32``
cumulated      float (by n sums)           int: how many sums are not above it, at most n - 1
table          int (by values)             int, float or bool: the value at that place
add …          both int or both float      multiply and subtract likewise; no int leaves 64 bits
floor_divide   int, int                    Python's ``//``, and ``modulo`` its ``%``, of a positive divisor
divide         float, float                never by zero
equal, less    both int or both float      bool
select         bool, a, b                  a where it is true, else b
to_int         bool, or a whole float      int
to_float       bool or int                 the nearest float
rint           float                       the nearest whole float, half to even
round          float (by digits)           Python's ``round``; ``abs(x) * 10**digits`` is below 2**52
log, exp       float                       `deep_faker.draws.exact`
normal         float in (0, 1)             `deep_faker.draws.exact.normal_from_unit`
again          draw (by a key)             draw ``mix(key, draw)``
log_gamma      draw (by a shape)           float: `deep_faker.draws.distributions.gamma.log_gamma`
given                                      draw: the next one of the flow's own, as `random` takes it
between        draw, draw a, draw n        draw: a + (draw * n >> 64), which is below 2**64
=============  ==========================  ==================================================================
"""

WordKind = Literal["draw", "int", "float", "bool"]
Constant = int | float | bool
_LOW = 0xFFFFFFFF
_INT64 = range(-(2**63), 2**63)
_ROUNDED = 2.0**52
_ULPS = 2.0**-50  # more than the error of exp, log and the quantile: they grow, but for that
_FIRST_MICRO, _LAST_MICRO = -62_135_596_800_000_000, 253_402_300_799_999_999
_MOST_ENTRIES = 1 << 16


class NoRecipeError(Exception):
    """A value that has no recipe, or none of which it is certain that a kernel makes the same."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, on the results of earlier steps (by number) and on constants."""

    op: Op
    of: tuple[int, ...]
    by: tuple[Any, ...]
    kind: WordKind  # of the result


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the value of a field for (flow, action, clock) is computed, as the engine keeps it (``type``).

    ``value`` is the step that gives it: a bool, int or float; µs of a datetime or timedelta; days of a date.
    With ``values`` it is the place among these texts or objects (of the types ``code``, ``str`` and
    ``object``; they do not change and may be None, of type ``object`` only). ``null``: the step that is true
    where the value is None; no step: it never is.
    """

    steps: tuple[Step, ...]
    type: Type
    value: int
    values: tuple[object, ...] | None = None
    null: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """The result of a step while a recipe is written, and the bounds that it stays in.

    Its arithmetic is that of Python's numbers, step by step. Raises `NoRecipeError` where an int might leave
    64 bits, a float become infinite or a divisor be zero.
    """

    steps: Steps
    number: int
    kind: WordKind
    low: float
    high: float

    # ------------------------------------------------ of draws

    def below(self, n: Word | int) -> Word:
        """An int below ``n``."""
        size = n if isinstance(n, Word) else self.steps.draw(n)
        if not 1 <= size.low <= size.high <= 2**63:
            raise NoRecipeError
        return self._step("below", size, kind="int", low=0, high=size.high - 1)

    def at_most(self, last: int) -> Word:
        """Whether a draw is not above another one."""
        if last == MASK:
            return self.steps.constant(value=True)
        return self._step("at_most", self.steps.draw(last), kind="bool", low=0, high=1)

    def unit(self) -> Word:
        """A float in [0, 1)."""
        return self._step("unit", kind="float", low=0.0, high=unit1(MASK))

    def open_unit(self) -> Word:
        """A float in (0, 1)."""
        return self._step("open_unit", kind="float", low=open_unit1(0), high=open_unit1(MASK))

    def high_half(self) -> Word:
        """A draw of the high 32 bits."""
        return self._step("high", kind="draw", low=0, high=MASK)

    def low_half(self) -> Word:
        """A draw of the low 32 bits."""
        return self._step("low", kind="draw", low=0, high=MASK)

    def alias(self, entries: U64) -> Word:
        """A place of a weighted table (``stay << 32 | alias``)."""
        return self._step("alias", by=_entries(entries), kind="int", low=0, high=len(entries) - 1)

    def again(self, key: int) -> Word:
        """Another draw, of this one."""
        return self._step("again", by=(key,), kind="draw", low=0, high=MASK)

    def log_gamma(self, shape: float) -> Word:
        """The logarithm of a gamma variate of this draw."""
        low, high = log_gamma_bounds(shape)
        return self._step("log_gamma", by=(float(shape),), kind="float", low=low, high=high)

    def between(self, first: int, count: int) -> Word:
        """A draw from ``first`` to before ``first + count``."""
        last = first + count - 1
        return self._step(
            "between", self.steps.draw(first), self.steps.draw(count), kind="draw", low=first, high=last
        )

    # ------------------------------------------------ of tables

    def cumulated(self, sums: F64) -> Word:
        """The place of a float among cumulated weights."""
        return self._step("cumulated", by=_entries(sums), kind="int", low=0, high=len(sums) - 1)

    def among(self, values: Sequence[Constant]) -> Word:
        """The value of this number in a table of ints, of floats or of bools."""
        kinds, first, last = {_kind(value) for value in values}, int(self.low), int(self.high)
        if len(values) > _MOST_ENTRIES or len(kinds) != 1 or not 0 <= first <= last < len(values):
            raise NoRecipeError
        met = values[first : last + 1]
        return self._step("table", by=tuple(values), kind=kinds.pop(), low=min(met), high=max(met))

    # ------------------------------------------------ arithmetic

    def __add__(self, other: Word | float) -> Word:
        b = self._other(other)
        if self.kind == "int" and (b.low, b.high) == (0, 0):
            return self
        return self._step("add", b, kind=self.kind, low=self.low + b.low, high=self.high + b.high)

    def __sub__(self, other: Word | float) -> Word:
        b = self._other(other)
        return self._step("subtract", b, kind=self.kind, low=self.low - b.high, high=self.high - b.low)

    def __rsub__(self, other: float) -> Word:
        return self._other(other) - self

    def __mul__(self, other: Word | float) -> Word:
        b = self._other(other)
        if self.kind == "int" and (b.low, b.high) == (1, 1):
            return self
        ends = [x * y for x in (self.low, self.high) for y in (b.low, b.high)]
        return self._step("multiply", b, kind=self.kind, low=min(ends), high=max(ends))

    def times(self, other: Word, low: int, high: int) -> Word:
        """The product, which is known to lie in tighter bounds than its factors say."""
        return self._step("multiply", other, kind=self.kind, low=low, high=high)

    def __truediv__(self, other: Word | float) -> Word:
        b = self._other(other)
        if self.kind != "float" or b.low <= 0 <= b.high:
            raise NoRecipeError
        ends = [x / y for x in (self.low, self.high) for y in (b.low, b.high)]
        return self._step("divide", b, kind="float", low=min(ends), high=max(ends))

    def __rtruediv__(self, other: float) -> Word:
        return self._other(other) / self

    def __floordiv__(self, other: int) -> Word:
        b = self._divisor(other)
        return self._step("floor_divide", b, kind="int", low=self.low // other, high=self.high // other)

    def __mod__(self, other: int) -> Word:
        return self._step("modulo", self._divisor(other), kind="int", low=0, high=other - 1)

    def equals(self, other: Word | float) -> Word:
        """A bool."""
        b = self._other(other)
        if self.high < b.low or b.high < self.low:
            return self.steps.constant(value=False)
        return self._step("equal", b, kind="bool", low=0, high=1)

    def less(self, other: Word | float) -> Word:
        """A bool: whether it is less than the other one."""
        b = self._other(other)
        if self.high < b.low or self.low >= b.high:  # the bounds tell
            return self.steps.constant(self.high < b.low)
        return self._step("less", b, kind="bool", low=0, high=1)

    def above(self, other: Word | float) -> Word:
        """A bool: whether it is greater than the other one."""
        return self._other(other).less(self)

    def select(self, then: Word | float, other: Word | float) -> Word:
        """``then`` where this is true, else ``other``."""
        like = then if isinstance(then, Word) else other
        if not isinstance(like, Word):
            like = self.steps.constant(like)
        a, b = (like._other(each) for each in (then, other))  # noqa: SLF001 - its own class
        if self.low == self.high:
            return a if self.low else b
        return self._step("select", a, b, kind=a.kind, low=min(a.low, b.low), high=max(a.high, b.high))

    def clipped(self, low: Word | float, high: Word | float) -> Word:
        """This number, or the bound that it is beyond; infinite ones are none."""
        low = self.low if low == -math.inf else low
        high = self.high if high == math.inf else high
        least = self.less(low).select(low, self)
        return least.above(high).select(high, least).within(self._other(low).low, self._other(high).high)

    def within(self, low: float, high: float) -> Word:
        """The same word, known to lie in these bounds: what the steps do not say but their order does."""
        return Word(self.steps, self.number, self.kind, max(self.low, low), min(self.high, high))

    # ------------------------------------------------ functions

    def to_int(self) -> Word:
        """A bool, or a whole float, as an int."""
        if self.kind == "float" and max(-self.low, self.high) > 2.0**53:
            raise NoRecipeError
        return self._step("to_int", kind="int", low=int(self.low), high=int(self.high))

    def to_float(self) -> Word:
        """A bool or an int as a float."""
        return self._step("to_float", kind="float", low=float(self.low), high=float(self.high))

    def as_float(self) -> Word:
        """A number as a float."""
        return self if self.kind == "float" else self.to_float()

    def rint(self) -> Word:
        """A float without its fraction, half to even."""
        return self._step("rint", kind="float", low=float(round(self.low)), high=float(round(self.high)))

    def rounded(self, digits: int) -> Word:
        """Python's ``round`` of a float."""
        if not 0 <= digits <= 15 or not max(-self.low, self.high) * 10.0**digits < _ROUNDED:
            raise NoRecipeError
        low, high = round(self.low, digits), round(self.high, digits)
        return self._step("round", by=(digits,), kind="float", low=low, high=high)

    def log(self) -> Word:
        """The logarithm of a positive float."""
        if not self.low > 0.0:
            raise NoRecipeError
        return self._grown("log", log1_)

    def exp(self) -> Word:
        """The exponential."""
        word = self._grown("exp", exp1_)
        return word.within(1.0, math.inf) if self.low >= 0.0 else word

    def normal(self) -> Word:
        """The normal quantile of a float in (0, 1)."""
        return self._grown("normal", normal_from_unit1)

    # ------------------------------------------------ helpers

    def _grown(self, op: Op, function: Callable[[float], float]) -> Word:
        low, high = function(self.low), function(self.high)
        return self._step(op, kind="float", low=low - abs(low) * _ULPS, high=high + abs(high) * _ULPS)

    def _other(self, other: Word | float) -> Word:
        """The other operand: a number becomes a constant of this word's kind."""
        if isinstance(other, Word):
            return other
        if self.kind == "float":
            if float(other) != other:
                raise NoRecipeError
            return self.steps.constant(float(other))
        return self.steps.constant(other)

    def _divisor(self, other: int) -> Word:
        if self.kind != "int" or other <= 0:
            raise NoRecipeError
        return self.steps.constant(other)

    def _step(
        self, op: Op, *others: Word, by: tuple[Any, ...] = (), kind: WordKind, low: float, high: float
    ) -> Word:
        of = (self.number, *(word.number for word in others))
        return self.steps.add(Step(op, of, by, kind), low, high)


class Steps:
    """The steps of a recipe that is being written; equal ones are one."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._known: dict[Hashable, int] = {}

    def mix(self, key: int) -> Word:
        """The draw of a key for the flow and action."""
        return self.add(Step("mix", (), (key,), "draw"), 0, MASK)

    def given(self) -> Word:
        """The draw that is the flow's next one."""
        return self.add(Step("given", (), (), "draw"), 0, MASK)

    def draw(self, value: int) -> Word:
        """A constant draw."""
        return self.add(Step("constant", (), (value,), "draw"), value, value)

    def constant(self, value: Constant) -> Word:
        """A bool, int or float."""
        return self.add(Step("constant", (), (value,), _kind(value)), value, value)

    def clock(self) -> Word:
        """The flow's clock at the event."""
        return self.add(Step("clock", (), (), "int"), _FIRST_MICRO, _LAST_MICRO)

    def add(self, step: Step, low: float, high: float) -> Word:
        """A step, whose result lies between two bounds."""
        if step.kind == "int" and not (low in _INT64 and high in _INT64):
            raise NoRecipeError
        if step.kind == "float" and not (math.isfinite(low) and math.isfinite(high)):
            raise NoRecipeError
        # 0.0 and -0.0 are equal, as are 1, 1.0 and True: constants are told apart by their kind and text
        known = self._known.setdefault(_exact(step), len(self._steps))
        if known == len(self._steps):
            self._steps.append(step)
        return Word(self, known, step.kind, low, high)

    def recipe(
        self, type_: Type, value: Word, *, values: tuple[object, ...] | None = None, null: Word | None = None
    ) -> Recipe:
        """What has been written, without the steps that nothing needs."""
        wanted = {value.number} if null is None else {value.number, null.number}
        for number in range(len(self._steps) - 1, -1, -1):
            if number in wanted:
                wanted.update(self._steps[number].of)
        place = {number: position for position, number in enumerate(sorted(wanted))}
        kept = [self._steps[number] for number in sorted(wanted)]
        steps = tuple(Step(s.op, tuple(place[n] for n in s.of), s.by, s.kind) for s in kept)
        return Recipe(steps, type_, place[value.number], values, None if null is None else place[null.number])


def _entries(table: U64 | F64) -> tuple[Any, ...]:
    if len(table) > _MOST_ENTRIES:
        raise NoRecipeError
    return tuple(table.tolist())


def _kind(value: Constant) -> WordKind:
    return "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "float"


def _exact(step: Step) -> Hashable:
    if step.kind == "float" and step.op in ("constant", "table"):
        return step.op, step.of, tuple(map(float.hex, step.by)), step.kind
    return step


# ---------------------------------------------------------------- what the steps mean


def _alias(u: int, entries: tuple[int, ...]) -> int:
    product = u * len(entries)
    entry = entries[product >> 64]
    return product >> 64 if (product & MASK) >> 32 < entry >> 32 else entry & _LOW


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "high": lambda by, u: u & ~_LOW,
    "low": lambda by, u: u << 32 & MASK,
    "below": lambda by, u, n: below1(u, n),
    "at_most": lambda by, a, b: a <= b,
    "unit": lambda by, u: unit1(u),
    "open_unit": lambda by, u: open_unit1(u),
    "alias": lambda by, u: _alias(u, by),
    "cumulated": lambda by, x: bisect(by, x, 0, len(by) - 1),
    "table": lambda by, at: by[at],
    "add": lambda by, a, b: a + b,
    "subtract": lambda by, a, b: a - b,
    "multiply": lambda by, a, b: a * b,
    "floor_divide": lambda by, a, b: a // b,
    "modulo": lambda by, a, b: a % b,
    "divide": lambda by, a, b: a / b,
    "equal": lambda by, a, b: a == b,
    "less": lambda by, a, b: a < b,
    "select": lambda by, test, a, b: a if test else b,
    "to_int": lambda by, a: int(a),
    "to_float": lambda by, a: float(a),
    "rint": lambda by, a: math.copysign(float(round(a)), a),
    "round": lambda by, a: round(a, by[0]),
    "log": lambda by, a: log1_(a),
    "exp": lambda by, a: exp1_(a),
    "normal": lambda by, a: normal_from_unit1(a),
    "again": lambda by, u: mix1(by[0], u),
    "log_gamma": lambda by, u: log_gamma1(u, by[0]),
    "between": lambda by, u, first, count: first + below1(u, count),
}


def evaluate(recipe: Recipe, flow: int, action: int, clock: int = 0) -> Any:
    """The value for a flow, its action and its clock (µs), as a Python object: what a kernel has to equal.

    >>> steps = Steps()
    >>> evaluate(steps.recipe(Type("float"), steps.constant(2).to_float()), flow=0, action=1)
    2.0
    """
    words: list[Any] = []
    for step in recipe.steps:
        if step.op == "mix":
            word = mix1(step.by[0], flow, action)
        elif step.op == "clock":
            word = clock
        elif step.op == "constant":
            word = step.by[0]
        else:
            word = _OPERATIONS[step.op](step.by, *(words[number] for number in step.of))
        words.append(word)
    null = recipe.null is not None and words[recipe.null]
    if null or recipe.values is None:
        return one_from_storage(words[recipe.value], null, recipe.type, ())
    return recipe.values[words[recipe.value]]

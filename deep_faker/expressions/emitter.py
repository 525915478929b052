"""The parts of an expression while it is translated, and the writer of its numpy source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product, repeat
from math import prod
from typing import Any

import numpy as np

from deep_faker.expressions import runtime
from deep_faker.plan import Array, Kind, Type
from deep_faker.plan.storage import (
    Texts,
    empty,
    find_text,
    from_python,
    join,
    kind_of,
    one_to_storage,
    type_of,
)

LOWEST, HIGHEST = runtime.LOWEST, runtime.HIGHEST
_TABLE_LIMIT = 4096  # entries of a prepared table over several operands
NUMBERS = ("bool", "int", "float")
TEXTS = ("code", "str")


@dataclass(frozen=True, slots=True)
class Val:
    """A part of the expression: a constant, or the source of an array with one row a flow.

    ``nulls`` is the source of its mask.  Ints are known to be in ``low..high``.  A value looked up in
    a table keeps the source of its ``index`` and the ``elements``, so that what is done to it can be done
    to the table instead; ``fixed`` elements are constants of the expression, known when types are
    inferred, others are made from the plan's texts.  ``floats`` is a float view of a mix of ints and floats.
    """

    type: Type
    code: str = "None"
    nulls: str | None = None
    constant: bool = False
    value: Any = None
    low: int = LOWEST
    high: int = HIGHEST
    index: str | None = None
    elements: tuple[Any, ...] | None = None
    fixed: bool = False
    floats: str | None = None

    @property
    def kind(self) -> Kind:
        return self.type.kind


class Emitter:
    """Collects source lines, the objects that they name, and why the expression must go by row."""

    def __init__(
        self, types: Mapping[str, Type], texts: Sequence[str], prefix: str, size: str, *, emitting: bool
    ) -> None:
        self.types, self.texts, self.prefix, self.size = types, texts, prefix, size
        self.emitting = emitting
        self.lines: list[str] = []
        self.env: dict[str, object] = {}
        self.reason: str | None = None
        self.warns = False
        self.active: str | None = None  # the rows for which Python evaluates the present part

    # ------------------------------------------------ names and lines

    def by_row(self, reason: str, kind: Kind = "object", *, optional: bool = False) -> Val:
        """Give up on columns; the first reason is kept."""
        self.reason = self.reason or reason
        return Val(Type("str" if kind == "code" else kind, optional))  # who knows which texts it gives

    def f(self, function: Callable[..., object]) -> str:
        """The name of a function in the generated source, the same in every expression."""
        numpy_s = isinstance(function, np.ufunc) or str(function.__module__).startswith("numpy")
        name = f"df__np_{function.__name__}" if numpy_s else f"df__{function.__name__}"
        assert self.env.setdefault(name, function) is function, name
        return name

    def bind(self, value: object) -> str:
        name = f"{self.prefix}k{len(self.env)}"
        self.env[name] = value
        return name

    def assign(self, source: str) -> str:
        name = f"{self.prefix}t{len(self.lines)}"
        self.lines.append(f"{name} = {source}")
        return name

    def named(self, val: Val) -> Val:
        """``val`` with a plain name for its source, to be used more than once."""
        if val.constant:
            return val
        if not val.code.isidentifier():
            val = replace(val, code=self.assign(val.code))
        if val.nulls and not val.nulls.isidentifier():
            val = replace(val, nulls=self.assign(val.nulls))
        return val

    def dropped(self, val: Val) -> None:
        """``val`` is evaluated, for what it may raise, though its value does not matter."""
        if not val.constant and not val.code.isidentifier():
            self.assign(val.code)

    def check(self, wrong: str) -> None:
        """Trouble where the bool array ``wrong`` is true, for the rows that Python would evaluate."""
        source = f"{wrong} & {self.active}" if self.active else wrong
        self.lines.append(f"{self.f(runtime.check)}({source})")

    def guarded(self, source: str, harmless: str) -> str:
        """``source`` with a harmless value in rows that Python would not evaluate."""
        return f"{self.f(np.where)}({self.active}, {source}, {harmless})" if self.active else source

    def solid(self, val: Val) -> Val:
        """``val`` without its mask: None in any row is left to Python."""
        if val.kind == "none":
            return self.by_row("an operation on None")
        if val.nulls is None:
            return val
        self.check(val.nulls)
        return replace(val, nulls=None, type=Type(val.kind, entity=val.type.entity))

    # ------------------------------------------------ constants

    def constant(self, value: object) -> Val:
        """A constant part."""
        type_ = type_of([value])
        if type_.kind in ("bool", "int"):
            number = int(value)  # type: ignore[call-overload]  # type_of says int
            return Val(type_, constant=True, value=value, low=number, high=number)
        return Val(type_, constant=True, value=value)

    def fold(self, function: Callable[..., object], *values: object) -> Val:
        """The constant result of constants."""
        try:
            return self.constant(function(*values))
        except Exception as error:  # noqa: BLE001 - whatever it is, the run will raise it if it gets there
            return self.by_row(f"raises {type(error).__name__}")

    def code_of(self, text: str) -> int:
        """The code of a text that may be a result."""
        code = self.texts.code(text) if isinstance(self.texts, Texts) else find_text(self.texts, text)
        if code is None:
            raise ValueError(f"the text {text!r} is not among the plan's texts")
        return code

    def literal(self, value: object, kind: Kind) -> str:
        """The source of a constant in the storage of ``kind``."""
        if kind == "code":
            assert isinstance(value, str)
            return self.bind(np.int32(self.code_of(value)))
        if kind in ("str", "object"):
            return self.bind(boxed(value))
        stored = one_to_storage(value, Type(kind), self.texts)[0]
        if kind == "float" and not np.isfinite(stored):
            return self.bind(stored)
        return repr(stored) if kind == "bool" or stored > 0 else f"({stored!r})"

    # ------------------------------------------------ conversions

    def ints(self, val: Val) -> str:
        """The int64 source of a bool or an int."""
        if val.constant:
            return self.literal(int(val.value), "int")
        return f"{val.code}.astype({self.f(np.int64)})" if val.kind == "bool" else val.code

    def floats(self, val: Val) -> str:
        """The float64 source of a number, each as ``float()`` of it."""
        if val.constant:
            return self.literal(float(val.value), "float")
        if val.floats is not None:
            return val.floats
        return val.code if val.kind == "float" else f"{val.code}.astype({self.f(np.float64)})"

    def objects(self, val: Val) -> str:
        """The source of the Python values, as an object array (one row only for a constant)."""
        if val.constant:
            return self.bind(boxed(val.value))
        if val.kind == "object" or (val.kind == "str" and not val.nulls):
            return val.code
        if val.kind in NUMBERS and not val.nulls:
            return f"{val.code}.astype({self.f(object)})"
        return f"{self.f(np.fromiter)}({self.listed(val)}, {self.f(object)}, {self.size})"

    def text(self, val: Val) -> str:
        """The source of text as an object array."""
        if val.constant:
            return self.bind(boxed(val.value))
        if val.kind == "str":
            return val.code
        table = self.bind(
            object_array(self.texts) if self.emitting and len(self.texts) else object_array([""])
        )
        mode = ", mode='clip'" if val.nulls else ""  # the code of a null may be anything
        return f"{self.f(np.take)}({table}, {val.code}{mode})"

    def listed(self, val: Val) -> str:
        """The source of an iterable of the Python values."""
        if val.constant:
            return f"{self.f(repeat)}({self.bind(val.value)})"
        kind = val.kind
        if kind == "entity":
            return f"{self.f(runtime.list_entities)}({val.code}, {val.type.entity or ''!r})"
        special = _LISTS.get(kind)
        if special:
            code = self.guarded_nulls(val)
            source = f"{self.f(special)}({code})"
        else:
            source = f"{self.text(val) if kind == 'code' else val.code}.tolist()"
        return f"{self.f(runtime.with_none)}({source}, {val.nulls})" if val.nulls else source

    def guarded_nulls(self, val: Val) -> str:
        """The source with zeros for nulls, which may hold anything."""
        return f"{self.f(np.where)}({val.nulls}, 0, {val.code})" if val.nulls else val.code

    def cast(self, val: Val, target: Type) -> tuple[str, str | None]:
        """The sources of values and mask in the storage of ``target``."""
        kind = target.kind
        nulls = val.nulls
        if val.kind == "none" or (val.constant and val.value is None):
            if kind == "entity":
                return "(-1)", None
            if kind in ("object", "none"):
                return self.bind(boxed(None)), None
            if target.optional:
                return self.filler(kind), "True"
        elif val.constant and kind != "none":
            allowed = kind == "object" or kind_of(val.value) == kind or _widens(kind_of(val.value), kind)
            if allowed:
                return self.literal(val.value, kind), None
        if val.kind == kind and kind != "none":
            if nulls and not target.optional:
                self.solid(val)
            return val.code, nulls if target.optional else None
        if kind == "object" and not val.constant:
            return self.objects(val), None
        if kind == "str" and val.kind == "code":
            return self.text(val), nulls
        if kind == "float" and (val.kind == "int" or val.floats is not None):
            return self.floats(val), nulls
        # What the type promises and the value may not keep: decided value by value.
        values = self.assign(
            f"{self.f(runtime.store)}({self.sized_list(val)}, {self.bind(target)}, {self.bound_texts()})"
        )
        return f"{values}[0]", f"{values}[1]" if target.optional else None

    def sized_list(self, val: Val) -> str:
        if val.constant:
            return f"{self.f(repeat)}({self.bind(val.value)}, {self.size})"
        return self.listed(val)

    def filler(self, kind: Kind) -> str:
        return self.bind(boxed("")) if kind == "str" else {"bool": "False", "float": "0.0"}.get(kind, "0")

    def bound_texts(self) -> str:
        return self.bind(self.texts)

    # ------------------------------------------------ choices

    def truth(self, val: Val) -> Val:
        """``bool(val)``."""
        if val.constant:
            return self.fold(bool, val.value)
        kind, code = val.kind, val.code
        source: str | None
        if kind == "object" and val.floats is None:
            return self.by_value(bool, [val], Type("bool"))
        if kind == "bool":
            source = code
        elif kind == "entity":
            source = f"({code} >= 0)"
        elif kind == "code":
            known = find_text(self.texts, "")
            # Never a constant: the empty text may still come while types are inferred.
            source = f"({code} != {-1 if known is None else known})"
        elif kind == "str":
            source = f"({code} != {self.bind(boxed(''))})"
        elif kind in ("datetime", "date"):
            source = None  # always true
        else:
            source = f"({val.floats or code} != 0)"
        if source is None:
            self.dropped(val)
        if val.nulls:
            source = f"({source} & ~{val.nulls})" if source else f"(~{val.nulls})"
        elif source is None:
            return self.constant(True)
        return Val(Type("bool"), source)

    def under(self, condition: str) -> Val:
        """Sets the rows that are evaluated from here to those where ``condition`` holds too."""
        self.active = f"({self.active} & {condition})" if self.active else condition
        return Val(Type("bool"), condition)

    def select(self, test: str, a: Val, b: Val) -> Val:
        """``a`` where the bool array ``test`` holds, else ``b``."""
        type_ = join(a.type, b.type)
        where = self.f(np.where)
        if type_.kind == "object":
            floats = None
            if all(
                v.floats or v.type == Type("float") or (v.type == Type("int") and exact(v)) for v in (a, b)
            ):
                floats = self.assign(f"{where}({test}, {self.floats(a)}, {self.floats(b)})")
            a, b = self.named(a), self.named(b)
            return Val(type_, f"{where}({test}, {self.objects(a)}, {self.objects(b)})", floats=floats)
        if type_.kind == "none":
            return self.constant(None)
        (code_a, nulls_a), (code_b, nulls_b) = self.cast(a, type_), self.cast(b, type_)
        nulls = None
        if type_.optional:
            nulls = f"{where}({test}, {nulls_a or False}, {nulls_b or False})"
        low, high = min(a.low, b.low), max(a.high, b.high)
        return Val(type_, f"{where}({test}, {code_a}, {code_b})", nulls, low=low, high=high)

    # ------------------------------------------------ tables and values

    def table(self, val: Val) -> tuple[str, tuple[object, ...]] | None:
        """The index source and all values that ``val`` can have, if they are few and known."""
        if val.nulls:
            return None
        if val.index is not None and val.elements is not None:
            return val.index, val.elements
        if val.kind == "bool":
            return f"{val.code}.view({self.f(np.int8)})", (False, True)
        if val.kind == "code" and self.emitting:
            return val.code, tuple(self.texts)
        return None

    def by_value(self, function: Callable[..., object], operands: Sequence[Val], type_: Type) -> Val:
        """Python's own ``function`` of the operands: once for each entry of a table, else once a row."""
        varying = [v for v in operands if not v.constant]
        if not varying:
            return self.fold(function, *(v.value for v in operands))
        tables = [self.table(v) for v in varying]
        known = [t for t in tables if t is not None]
        if len(known) == len(tables) and prod(len(t[1]) for t in known) <= max(
            _TABLE_LIMIT, len(known[0][1]) * (len(known) == 1)
        ):
            fixed = all(v.fixed or v.kind == "bool" for v in varying)
            return self._by_table(function, operands, known, type_, fixed=fixed)
        source = f"{self.f(map)}({self.bind(function)}, {', '.join(self.listed(v) for v in operands)})"
        return self.stored(source, type_)

    def stored(self, iterable: str, type_: Type) -> Val:
        """The storage of an iterable of one Python value a row."""
        if type_.kind in ("bool", "int", "float", "str", "object") and not type_.optional:
            dtype = self.f({"bool": np.bool_, "int": np.int64, "float": np.float64}.get(type_.kind, object))
            return Val(type_, f"{self.f(np.fromiter)}({iterable}, {dtype}, {self.size})")
        name = self.assign(f"{self.f(runtime.store)}({iterable}, {self.bind(type_)}, {self.bound_texts()})")
        return Val(type_, f"{name}[0]", f"{name}[1]" if type_.optional else None)

    def _by_table(
        self,
        function: Callable[..., object],
        operands: Sequence[Val],
        tables: Sequence[tuple[str, tuple[object, ...]]],
        type_: Type,
        *,
        fixed: bool,
    ) -> Val:
        results: list[object] = []
        wrong: list[bool] = []
        for entries in product(*(entries for _, entries in tables)):
            left = iter(entries)
            try:
                results.append(function(*(v.value if v.constant else next(left) for v in operands)))
                wrong.append(False)
            except Exception:  # noqa: BLE001 - only a row that has this entry raises it
                results.append(None)
                wrong.append(True)
        index = tables[0][0]
        if len(tables) > 1:
            places = [self._place(v, t) for v, t in zip((v for v in operands if not v.constant), tables)]
            index = f"{places[0]}.astype({self.f(np.int64)})"
            for place, (_, entries) in zip(places[1:], tables[1:]):
                index = f"({index} * {len(entries)} + {place})"
        return self.lookup(index, results, type_, wrong, fixed=fixed)

    def _place(self, val: Val, table: tuple[str, tuple[object, ...]]) -> str:
        """The index counted from the front, which only subscripts may not be."""
        if val.index is None:
            return table[0]
        return f"{self.f(runtime.position)}({table[0]}, {len(table[1])})"

    def lookup(
        self,
        index: str,
        results: Sequence[Any],
        type_: Type,
        wrong: Sequence[bool] = (),
        *,
        fixed: bool = True,
    ) -> Val:
        """``results[index]``; rows whose entry is ``wrong`` are left to Python."""
        if not index.isidentifier():
            index = self.assign(index)
        take = self.f(np.take)
        if not all(wrong) or not wrong:
            filler = next((r for r, bad in zip(results, wrong, strict=False) if not bad), None)
        else:
            filler = None
        if any(wrong):
            self.check(f"{take}({self.bind(np.array(wrong))}, {index})")
            if all(wrong):
                return Val(type_, f"{self.bind(empty(type_, 1))}.repeat({self.size})")
            results = [filler if bad else r for r, bad in zip(results, wrong, strict=True)]
        if type_.kind == "code" and isinstance(self.texts, Texts):
            for text in results:
                if text is not None:
                    self.texts.code(text)
        try:
            values, nulls = from_python(list(results), type_, self.texts)
        except (OverflowError, TypeError, ValueError):
            return self.by_row("a table of values that do not fit their type", type_.kind)
        mask = f"{take}({self.bind(nulls)}, {index})" if nulls is not None else None
        elements = None if any(wrong) else tuple(results)
        return Val(
            type_, f"{take}({self.bind(values)}, {index})", mask, index=index, elements=elements, fixed=fixed
        )

    def folded(self, val: Val, function: Callable[[Any], object]) -> Val | None:
        """``function`` of a value looked up in known constants, typed by its results."""
        if val.index is None or val.elements is None or not val.fixed:
            return None
        try:
            results = [function(element) for element in val.elements]
        except Exception:  # noqa: BLE001 - some entry raises: left to the static rules
            return None
        return self.lookup(val.index, results, type_of(results))


def exact(val: Val) -> bool:
    """Whether an int is a float without loss.

    >>> exact(Val(Type("int"), low=0, high=2**60)), exact(Val(Type("int"), low=0, high=100))
    (False, True)
    """
    return val.low >= -runtime.EXACT and val.high <= runtime.EXACT


def _widens(narrow: Kind, kind: Kind) -> bool:
    return (narrow, kind) in {("int", "float"), ("code", "str")}


def boxed(value: object) -> Array:
    """A 0-d object array, which numpy broadcasts without looking into the value.

    >>> boxed([1, 2]).shape
    ()
    """
    out = np.empty((), object)
    out[()] = value
    return out


def object_array(values: Iterable[object]) -> Array:
    """Values as a column of objects.

    >>> object_array(["a", None]).tolist()
    ['a', None]
    """
    return np.fromiter(values, object)


_LISTS: dict[str, Callable[[Array], list[object]]] = {
    "datetime": runtime.list_datetimes,
    "date": runtime.list_dates,
    "timedelta": runtime.list_timedeltas,
}

"""Compiles a Faker method by running it: draws are symbolic, other methods that it calls are pieces.

It is what `recorder` does for Mimesis, with one thing more: a method that the method calls is not run where
it can be made by column itself; its value is a piece (`methods`) of what comes out.  Where the code asks for
such a value, the method that gives it is run after all, with symbolic draws of its own.
"""

from __future__ import annotations

import datetime as dt
import inspect
import itertools
import random
import re
import types
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, wraps
from math import perm
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np
from mimesis.random import Random

from deep_faker.values.base import Rows, Values
from deep_faker.values.explore.all_values import all_of
from deep_faker.values.explore.marks import (
    PLACES,
    Book,
    MarkedFloat,
    MarkedInt,
    MarkedStr,
    NeededError,
    Node,
    asked,
)
from deep_faker.values.explore.methods import CallNode, MarkedText, Opaque
from deep_faker.values.explore.recorder import _MOST_WAYS, Made, Recorder, T, _Draw, explored
from deep_faker.values.explore.rewritten import rewritten
from deep_faker.values.explore.stand_ins import shims
from deep_faker.values.library.libraries import LOCK, Locale, at, faker_methods, new_generator
from deep_faker.values.text.columns import Texts
from deep_faker.values.text.grammar import NotAGrammarError

if TYPE_CHECKING:
    from faker.generator import Generator

Args = tuple[object, ...]
# Makes what stands for a method by column, None where that cannot be: (name, arguments) → its values.
MakePiece = Callable[[str, Mapping[str, object]], Values | None]

_CALLED, _TRIED = -1, -2  # in a way: the method stands for itself; its values are tried
_EXACT = 30  # decimals of floats that are not rounded
_FILLED = {"numerify": "#%$!@", "lexify": "?", "bothify": "#%$!@?", "hexify": "^"}
_RUN = re.compile(r"random_|randomize_|(numer|lex|both|hex)ify$|get_|enum$")  # never a piece: few draws
_MOST_WORK = 250_000  # draws and other calls (each counts as five): a second or two
_WORK_OF_CALL, _VALUES_OF_WORK = 5, 100
_MOST_FORMATS = 500
_SOME = Rows(np.arange(1000, dtype=np.uint64), np.ones(1000, np.uint64), np.zeros(1000, np.int64))


class _UnknownError(BaseException):
    """It is not known yet whether a method can be a piece.

    Not an `Exception`: Faker's code must not catch it.
    """

    def __init__(self, name: str, arguments: Mapping[str, object]) -> None:
        super().__init__(name)
        self.name, self.arguments = name, arguments


class _Drawn(list[object]):
    """What was really drawn, by the number of the draw; of methods, whose numbers are negative, apart."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[int, object] = {}

    def __getitem__(self, draw: Any) -> Any:
        return self.calls[draw] if draw < 0 else super().__getitem__(draw)


class FakerRecorder(Recorder):
    """A random source as `recorder.Recorder`, with the methods that are called among the draws."""

    most_uneven = 20
    most_ways = 60_000  # an Italian address is one of thousands of postcodes, and of its places

    def __init__(self, name: str, known: dict[str, Values | None]) -> None:
        super().__init__()
        self._name, self._known = name, known
        self._calls: Counter[str] = Counter()
        self._numbers: dict[tuple[str, int], int] = {}
        self._inside = False
        self._done = 0
        self._copies: dict[Callable[..., object], Callable[..., object] | None] = {}
        self._holding: dict[tuple[int, str], bool] = {}

    def start(self, way: dict[int, int], *, real: random.Random | None = None) -> None:
        """Begin a run."""
        super().start(way, real=real)
        self.book = Book(repeats=True)
        self._calls.clear()
        self._inside = False
        if self.drawn is not None:
            self.drawn = _Drawn()

    def need(self, draw: int) -> None:
        """Try a draw from now on; run a method, whose draws shift the numbers of the others."""
        if draw < 0:
            self.needed = {number for number in self.needed if number < 0}
        self.needed.add(draw)

    def _next(self, draw: _Draw[T]) -> T:
        if self._inside:
            return draw.real(self._inner)
        self._work(1)
        if draw.mark is not None and draw.size is not None and draw.size <= _MOST_FORMATS:
            options = [draw.option(number) for number in range(draw.size)]
            if any("{{" in str(option) for option in options if type(option) is str):
                draw = replace(draw, mark=None)  # formats, which are read
        return super()._next(draw)

    def _work(self, amount: int) -> None:
        """Give up methods that would take long: by what was done, so that no clock decides."""
        self._done += amount
        if self._done > _MOST_WORK:
            raise NotAGrammarError("too long")

    # ---------------------------------------------------------------- further calls of random

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        for bound in (start, stop, step):
            if isinstance(bound, MarkedInt):
                raise NeededError(bound.node.draw)
        low, end = (0, start) if stop is None else (start, stop)
        if step == 1:
            return self.randint(low, end - 1)
        return self.choice(range(low, end, step))

    def random(self) -> float:
        return self.uniform(0.0, 1.0, _EXACT)

    def uniform(self, a: float, b: float, precision: int = _EXACT) -> float:
        return super().uniform(a, b, precision)

    def sample(self, population: Sequence[T], k: int, *, counts: Iterable[int] | None = None) -> list[T]:
        if isinstance(k, MarkedInt):
            raise NeededError(k.node.draw)
        options = list(population)
        if counts is not None or perm(len(options), k) > _MOST_WAYS:
            raise NotAGrammarError("sample")
        return list(self.choice([list(each) for each in itertools.permutations(options, k)]))

    # ---------------------------------------------------------------- methods

    def call(
        self, name: str, method: MethodType, args: Args, named: Mapping[str, object], *, own: bool
    ) -> object:
        """A method of a provider: what stands for its value, or what running it gives."""
        if self._inside or _RUN.match(name):
            return self._run(name, method, args, named)
        self._work(_WORK_OF_CALL)
        self._calls[name] += 1
        # the number of the third url is the same in every run, however many other methods it calls before
        number = self._numbers.setdefault((name, self._calls[name]), -len(self._numbers) - 1)
        if self.drawn is not None:
            if self.way.get(number) == _TRIED:
                return self._next(self._options(name, _by_name(method, args, named) or {}))
            if self.way.get(number) != _CALLED:
                return self._run(name, method, args, named)
            self._inside = True
            try:
                value = method(*args, **named)
            finally:
                self._inside = False
            assert isinstance(self.drawn, _Drawn)
            self.drawn.calls[number] = value
            return value
        arguments = _by_name(method, args, named)
        if not own or self.all or arguments is None or name == self._name:
            return self._run(name, method, args, named)
        piece = self._piece(name, arguments)
        if piece is not None and number in self.needed and all_of(piece) is not None:
            self.way[number] = _TRIED
            return self._next(self._options(name, arguments))
        if piece is None or number in self.needed:
            return self._run(name, method, args, named)
        self.way[number] = _CALLED
        read = _itself
        node = CallNode(number, 0, read, name=name, arguments=tuple(arguments.items()), kind=piece.kind)
        if piece.kind == "str":
            return MarkedText.of(self.book, str(self.book.text(node)))
        return Opaque(self.book, node)

    def _options(self, name: str, arguments: Mapping[str, object]) -> _Draw[object]:
        """The values of a method as those of a draw, each of which is tried."""
        piece = self._piece(name, arguments)
        every = None if piece is None else all_of(piece)
        assert every is not None, "it was so when this way was taken"
        values, weights = every
        real = _drawing(values, weights)
        return _Draw(len(values), values.__getitem__, real, None, weights)

    def _piece(self, name: str, arguments: Mapping[str, object]) -> Values | None:
        key = f"{name} {sorted(arguments.items())!r}"
        if key not in self._known:
            raise _UnknownError(name, arguments)
        return self._known[key]

    def _run(self, name: str, method: MethodType, args: Args, named: Mapping[str, object]) -> object:
        if self.drawn is None and name in _FILLED:
            self._check_filled(_FILLED[name], [*args, *named.values()])
        return self.run(method, args, named)

    def run(self, method: MethodType, args: Args, named: Mapping[str, object]) -> object:
        """Run a method; without real draws in the copy that keeps its texts marked."""
        if self.drawn is not None:
            return method(*args, **named)
        function = method.__func__
        if function not in self._copies:
            self._copies[function] = rewritten(function, self._mark, self._number_of)
        copy = self._copies[function]
        return self._mark(method(*args, **named) if copy is None else copy(method.__self__, *args, **named))

    def _mark(self, value: object) -> object:
        return MarkedText.of(self.book, value) if type(value) is str else value

    def _number_of(self, value: Any) -> object:
        """``int(value)``."""
        if isinstance(value, (MarkedInt, MarkedStr)):
            return asked(value.node, self.book, int)
        if isinstance(value, (MarkedText, Opaque)):
            raise NeededError(value.node.draw)
        return int(value)

    def _check_filled(self, places: str, texts: list[object]) -> None:
        """The pieces of a text whose places are filled must not hold such places."""
        for text in texts:
            for piece in self.book.pieces(text) if isinstance(text, str) else ():
                if not isinstance(piece, Node):
                    continue
                if isinstance(piece, CallNode):
                    values = self._piece(piece.name, dict(piece.arguments))
                    if values is None or self._may_hold(values, places):
                        raise NeededError(piece.draw)
                elif piece.values is not None:
                    self._work(len(piece.values) // _VALUES_OF_WORK)
                    joined = "".join(map(str, piece.values))
                    if any(place in joined for place in places):
                        raise NeededError(piece.draw)

    def _may_hold(self, values: Values, places: str) -> bool:
        key = (id(values), places)
        if key not in self._holding:
            self._holding[key] = _may_hold(values, places)
        return self._holding[key]


def _may_hold(values: Values, places: str) -> bool:
    """Whether a text may hold one of some characters."""
    texts = values._tables.pieces if isinstance(values, Texts) else values.column(_SOME).to_pylist()  # noqa: SLF001
    return any(place in text for text in texts if text is not None for place in places)


def _drawing(values: list[object], weights: list[float]) -> Callable[[Random], object]:
    return lambda inner: inner.choices(values, weights)[0]


def _by_name(method: MethodType, args: Args, named: Mapping[str, object]) -> dict[str, object] | None:
    """The arguments by name, None where one of them is drawn or has no name."""
    try:
        bound = _signature(method.__func__).bind(method.__self__, *args, **named)
    except (TypeError, ValueError):
        return None
    for name, value in bound.arguments.items():
        parameter = bound.signature.parameters[name]
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or _is_drawn(value):
            return None
    own = next(iter(bound.signature.parameters))
    return {name: value for name, value in bound.arguments.items() if name != own}


@lru_cache(maxsize=4096)
def _signature(function: Callable[..., object]) -> inspect.Signature:
    return inspect.signature(function)  # a method is called thousands of times


def _is_drawn(value: object) -> bool:
    if isinstance(value, str):
        return PLACES.search(value) is not None
    if isinstance(value, Mapping):
        return any(_is_drawn(part) for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        if {*map(type, value)} == {str}:  # lists of a locale, of hundreds of names, at every call
            return PLACES.search("\n".join(value)) is not None
        return any(_is_drawn(part) for part in value)
    return isinstance(value, (MarkedInt, MarkedFloat, Opaque))


# ---------------------------------------------------------------- a generator that records


@lru_cache(maxsize=16)
def _recording(locale: Locale) -> tuple[Generator, dict[str, MethodType], list[FakerRecorder]]:
    """A generator of Faker's whose methods tell a recorder, its methods, and a place for the recorder."""
    generator = new_generator(locale)
    holder: list[FakerRecorder] = []
    names = faker_methods(generator)
    methods: dict[str, MethodType] = {name: getattr(generator, name) for name in names}
    for provider in generator.providers:
        for name in dir(provider):
            method = None if name.startswith("__") else inspect.getattr_static(provider, name, None)
            if not inspect.isfunction(method):
                continue
            bound = getattr(provider, name)
            if name in methods:
                own = methods[name].__func__ is bound.__func__
                setattr(provider, name, _told(holder, name, bound, own=own))
            elif name.startswith("_"):
                setattr(provider, name, _marked(holder, bound))
    for name, method in methods.items():
        setattr(generator, name, _told(holder, name, method, own=True))
    return generator, methods, holder


def _told(holder: list[FakerRecorder], name: str, method: MethodType, *, own: bool) -> Callable[..., object]:
    @wraps(method)
    def told(*args: object, **named: object) -> object:
        return holder[0].call(name, method, args, named, own=own)

    return told


def _marked(holder: list[FakerRecorder], method: MethodType) -> Callable[..., object]:
    @wraps(method)
    def marked(*args: object, **named: object) -> object:
        return holder[0].run(method, args, named)

    return marked


def templates(
    locale: Locale, name: str, arguments: Mapping[str, object], start: int, make: MakePiece
) -> list[Made]:
    """The templates of what a method of Faker's gives.

    Raises `NotAGrammarError` where there is none.
    """
    known: dict[str, Values | None] = {}
    while True:
        try:
            return _run_through(locale, FakerRecorder(name, known), name, arguments, start)
        except _UnknownError as error:  # outside of the run: making it may run other methods
            key = f"{error.name} {sorted(error.arguments.items())!r}"
            known[key] = make(error.name, error.arguments)


def _run_through(
    locale: Locale, recorder: FakerRecorder, name: str, arguments: Mapping[str, object], start: int
) -> list[Made]:
    with LOCK:
        generator, methods, holder = _recording(locale)
        holder[:] = [recorder]
        generator.random = recorder
        named = {**_days(methods[name], start), **arguments}
        with at(start), shims(recorder):
            method = methods[name]
            return explored(recorder, lambda: _text(recorder, recorder.run(method, (), named)))


def _text(recorder: FakerRecorder, value: object) -> object:
    """A value whose texts are plain ones."""
    if isinstance(value, (MarkedStr, MarkedText)) and recorder.drawn is None:
        return str.__str__(value)
    return list(value) if isinstance(value, types.GeneratorType) else value


def _days(method: MethodType, start: int) -> dict[str, dt.date]:
    """Faker has a default that is the day of its import: the day of the start instead."""
    day = dt.date(1970, 1, 1) + dt.timedelta(microseconds=start)
    parameters = inspect.signature(method).parameters.values()
    return {parameter.name: day for parameter in parameters if isinstance(parameter.default, dt.date)}


def _itself(value: T) -> T:
    return value

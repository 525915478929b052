"""Mimesis' methods by column: templates that exploring a method gave, as what draws whole columns."""

from __future__ import annotations

import ipaddress
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.mix import unit
from deep_faker.plan.conversion import json_text
from deep_faker.plan.recipes import Steps
from deep_faker.values.base import Arguments, Drawn, Place, Rows, Values
from deep_faker.values.choices import Elements, arrow_values
from deep_faker.values.explore.marks import Node
from deep_faker.values.library.libraries import LOCK, at, mimesis_generic
from deep_faker.values.numbers import IntRange
from deep_faker.values.text.grammar import Leaf, NotAGrammarError, Text, table
from deep_faker.values.text.grids import texts as texts_of

_MOST_KEPT = 256
_SMALL, _LARGE = 1.001e-4, 1e7  # between them Arrow writes broken numbers as Python does
_GAP = "\0"
_MOST_EXACT = 22  # powers of ten up to here are floats without an error
Make = Callable[[Place], Values]
_KEPT: OrderedDict[tuple[str | None, str, str, int], Make | None] = OrderedDict()


class Rounded(Values):
    """Floats evenly drawn between two bounds and rounded to so many decimals."""

    kind = "float"

    def __init__(self, place: Place, low: float, high: float, digits: int, *, key: int | None = None) -> None:
        super().__init__(place)
        if key is not None:
            self._key = key
        self._low, self._width, self._digits = low, high - low, digits

    def column(self, rows: Rows) -> pa.Array:
        return pa.array(self.floats(rows))

    def floats(self, rows: Rows) -> npt.NDArray[np.float64]:
        """The values as a numpy array."""
        value = self._low + self._width * unit(self._draw(rows))
        if not 0 <= self._digits <= _MOST_EXACT:
            return np.round(value, self._digits) if self._digits < 0 else value
        scaled = value * 10.0**self._digits
        exact = np.abs(scaled) < 2.0**53  # beyond, a float has no digits left to round
        return np.where(exact, np.rint(scaled) / 10.0**self._digits, value)

    def recipe(self, steps: Steps) -> Drawn | None:
        value = steps.mix(self._key).unit() * self._width + self._low
        if self._digits < 0:
            return None
        if self._digits > _MOST_EXACT:
            return Drawn(value)
        scaled = value * 10.0**self._digits
        rounded = scaled.rint() / 10.0**self._digits
        if max(-scaled.low, scaled.high) >= 2.0**53:
            rounded = scaled.less(2.0**53).select(scaled.above(-(2.0**53)).select(rounded, value), value)
        return Drawn(rounded)


class OfFloats(Values):
    """Lists, dicts and other objects of floats that are drawn each by itself.

    ``pieces`` are the fixed parts of the JSON between the floats; without them, texts are made row by row.
    """

    def __init__(
        self,
        place: Place,
        parts: list[Node],
        build: Callable[[list[float]], object],
        kind: str = "json",
        *,
        pieces: list[str] | None = None,
    ) -> None:
        super().__init__(place)
        self._build, self._pieces, self.kind = build, pieces, kind
        self.how = "row" if pieces is None else "column"
        self._parts = []
        for number, node in enumerate(parts):
            assert node.bounds is not None
            self._parts.append(Rounded(place, *node.bounds, node.digits, key=place.key(number + 1)))

    def column_objects(self, rows: Rows) -> list[object]:
        table = np.stack([part.floats(rows) for part in self._parts], axis=1)
        return [self._build(row) for row in table.tolist()]

    def column(self, rows: Rows) -> pa.Array:
        if self._pieces is None:
            return arrow_values(self.column_objects(rows), self.kind)
        texts = [pa.scalar(self._pieces[0])]
        for part, piece in zip(self._parts, self._pieces[1:], strict=True):
            texts += [float_texts(part.floats(rows)), pa.scalar(piece)]
        return pc.binary_join_element_wise(*texts, "")


def float_texts(values: npt.NDArray[np.float64]) -> pa.Array:
    """Floats as Python writes them; Arrow writes whole, small and large ones another way."""
    texts = pa.array(values).cast(pa.string())
    size = np.abs(values)
    other = (size < _SMALL) | (size >= _LARGE) | (values == np.floor(values))
    if not other.any():
        return texts
    return pc.replace_with_mask(texts, pa.array(other), pa.array(list(map(repr, values[other].tolist()))))


class Structures(Values):
    """Lists, dicts, tuples and addresses: their JSON is a grammar, the object is what it says."""

    kind = "json"

    def __init__(self, place: Place, text: Text, build: Callable[..., object]) -> None:
        super().__init__(place)
        self._texts, self._build = texts_of(place, text), build

    def column(self, rows: Rows) -> pa.Array:
        return self._texts.column(rows)

    def column_objects(self, rows: Rows) -> list[object]:
        return [self._build(json.loads(text)) for text in self.column(rows).to_pylist()]

    def one(self, flow: int, action: int, clock: int) -> object:
        return self._build(json.loads(self._texts.one(flow, action, clock)))


def mimesis_column(place: Place, locale: str | None, name: str, arguments: Arguments) -> Values | None:
    """A Mimesis method by column, None where it cannot be."""
    key = (locale, name, repr(sorted(arguments.items())), place.start_micros)
    with LOCK:
        if key not in _KEPT:
            try:
                _KEPT[key] = _compiled(place, locale, name, arguments)
            except NotAGrammarError:
                _KEPT[key] = None
            if len(_KEPT) > _MOST_KEPT:
                _KEPT.popitem(last=False)
        make = _KEPT[key]
    return None if make is None else make(place)


def _compiled(place: Place, locale: str | None, name: str, arguments: Arguments) -> Make:
    from mimesis import BaseDataProvider

    from deep_faker.values.explore.recorder import Recorder, explored

    group, _, method = name.partition(".")
    generic = mimesis_generic(locale)
    kind = type(getattr(generic, group))
    recorder = Recorder()
    try:
        provider = (
            kind(locale=generic.locale, random=recorder)
            if issubclass(kind, BaseDataProvider)
            else kind(random=recorder)
        )
    except TypeError as error:  # a provider of the user's with a constructor of its own
        raise NotAGrammarError(str(error)) from error
    function = getattr(provider, method or "__call__")
    with at(place.start_micros):
        ways = explored(recorder, lambda: function(**arguments))
    return program([each.value for each in ways], [each.chance for each in ways])


def program(values: list[object], chances: list[float]) -> Make:
    """What draws from templates with their chances."""
    from deep_faker.values.explore.recorder import Joined, json_of, nodes_in, text_of

    if not any(nodes_in(value) for value in values):
        return lambda place: Elements(place, values, chances)
    if all(isinstance(value, (str, Joined)) for value in values):
        return _texts([text_of(value) for value in values], chances)
    numbers = [value for value in values if isinstance(value, (Node, int)) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        return _numbers(numbers, chances)
    nodes = nodes_in(values[0])
    if len(values) == 1 and all(node.bounds is not None for node in nodes):
        pieces = "".join(_written(values[0])).split(_GAP)
        return lambda place: OfFloats(place, nodes, lambda row: _filled(values[0], iter(row)), pieces=pieces)
    build = _builder(values)
    text = _merged([json_of(value) for value in values], chances)
    return lambda place: Structures(place, text, build)


def _texts(texts: list[Text], chances: list[float]) -> Make:
    text = _merged(texts, chances)
    return lambda place: texts_of(place, text, counted=True)


def _merged(texts: list[Text], chances: list[float]) -> Text:
    """One of ``texts``; those that differ in their first fixed piece only are one alternative."""
    groups: dict[tuple[object, ...], tuple[int | None, list[tuple[float, tuple[Leaf, ...]]]]] = {}
    for text, chance in zip(texts, chances, strict=True):
        for share, leaves in text.alternatives:
            row = _collapsed(leaves)
            first = next((at for at, leaf in enumerate(row) if len(leaf.values) == 1), None)
            key = tuple((leaf.values, leaf.weights) for at, leaf in enumerate(row) if at != first)
            groups.setdefault((first, key), (first, []))[1].append((chance * share, row))
    out: list[tuple[float, tuple[Leaf, ...]]] = []
    for first, rows in groups.values():
        weights, row = [weight for weight, _ in rows], rows[0][1]
        if first is not None and len(rows) > 1:
            choice = table([each[first].values[0] for _, each in rows], weights).leaves[0]
            row = (*row[:first], choice, *row[first + 1 :])
        out.append((sum(weights), row))
    return Text(tuple(out))


def _collapsed(leaves: tuple[Leaf, ...]) -> tuple[Leaf, ...]:
    """A row with its fixed neighbours joined."""
    out: list[Leaf] = []
    for leaf in leaves:
        if out and len(leaf.values) == len(out[-1].values) == 1:
            out[-1] = Leaf((out[-1].values[0] + leaf.values[0],))
        else:
            out.append(leaf)
    return tuple(out)


def _written(value: object) -> Iterator[str]:
    """The JSON of a template, with a gap for each node."""
    match value:
        case Node():
            yield _GAP
        case list() | tuple():
            yield "["
            for at, item in enumerate(value):
                yield from (", " if at else "", *_written(item))
            yield "]"
        case dict():
            yield "{"
            for at, (key, item) in enumerate(value.items()):
                yield from (", " if at else "", f"{json_text(key)}: ", *_written(item))
            yield "}"
        case _:
            yield json_text(value)


def _filled(value: object, floats: Iterator[float]) -> object:
    """A template with floats in place of its nodes."""
    match value:
        case Node():
            return next(floats)
        case list() | tuple():
            return type(value)([_filled(item, floats) for item in value])
        case dict():
            return {key: _filled(item, floats) for key, item in value.items()}
    return value


def _numbers(values: list[Node | int], chances: list[float]) -> Make:
    first = values[0]
    if len(values) == 1 and isinstance(first, Node):
        digits = first.digits
        if first.bounds is not None:
            low, high = first.bounds
            return lambda place: Rounded(place, low, high, digits)
        if isinstance(first.values, range) and first.weights is None:
            least, last = first.values[0], first.values[-1]
            if not -(2**63) <= least <= last < 2**63:
                raise NotAGrammarError("beyond 64 bits")
            return lambda place: IntRange(place, least, last - least + 1)
    numbers: list[object] = []
    weights: list[float] = []
    for value, chance in zip(values, chances, strict=True):
        options = [value] if isinstance(value, int) else value.mapped(lambda number: number)
        shares = [1.0] * len(options) if isinstance(value, int) else value.weights or [1.0] * len(options)
        numbers += options
        weights += [chance * share / sum(shares) for share in shares]
    return lambda place: Elements(place, numbers, weights)


def _builder(values: list[object]) -> Callable[..., object]:
    """From what JSON gives to the object: it has no tuples and no addresses."""
    from deep_faker.values.explore.recorder import Built

    kinds = {value.kind if isinstance(value, Built) else type(value) for value in values}
    inner = [item for value in values for item in _items(value)]
    if len(kinds) != 1 or any(isinstance(item, (tuple, Built)) for item in inner):
        raise NotAGrammarError("objects of several types, or in objects")
    kind: Callable[..., object] = kinds.pop()
    if kind not in (list, dict, tuple, ipaddress.IPv4Address, ipaddress.IPv6Address):
        raise NotAGrammarError(f"{kind}")
    return kind


def _items(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []

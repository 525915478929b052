"""Lists, tuples, sets and dicts of drawn elements of drawn types, by column: Faker's `pylist` and its like.

All elements of all rows are one column: each type makes the elements that have drawn it.  A pool would
repeat the same 2,000 lists, and take Faker a second to fill (419 µs for a list, here 4).
"""

# ruff: noqa: SLF001 - Faker keeps what checks the types in private methods

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.mix import I64, U64, below, mix
from deep_faker.plan.conversion import json_text
from deep_faker.values.base import Place, Rows, Values
from deep_faker.values.family import Making, family
from deep_faker.values.text.alias import Alias

_STRIDE = 0x9E3779B97F4A7C15  # elements' actions lie apart, also where an element draws further ones itself
Container = Callable[[list[object]], object]  # list, tuple, set
Types = Sequence[type | str] | None  # as Faker takes them, None: its own
_MOST_KEYS = 60  # more are drawn too slowly, one after the other


def further(rows: Rows, counts: I64) -> Rows:
    """Each row as often as it counts, with actions of its own.

    >>> more = further(Rows.of(3, 1), np.array([2]))
    >>> more.flow.tolist(), len(set(more.action.tolist()))
    ([3, 3], 2)
    """
    row = np.repeat(np.arange(len(rows)), counts)
    number = (np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)).astype(np.uint64)
    return Rows(rows.flow[row], rows.action[row] + number * np.uint64(_STRIDE), rows.clock[row])


class Elements:
    """Elements, each of one of some types."""

    def __init__(self, place: Place, makers: Sequence[Values], weights: Sequence[float]) -> None:
        self._makers, self._table = makers, Alias(weights)
        self._key = place.key("type")

    def _split(self, rows: Rows) -> list[tuple[Values, I64, Rows]]:
        which = self._table.indices(mix(self._key, rows.flow, rows.action))
        out = []
        for number, maker in enumerate(self._makers):
            positions = np.flatnonzero(which == number)
            out.append((maker, positions, rows.take(positions)))
        return out

    @property
    def kinds(self) -> set[str]:
        """The kinds of the elements."""
        return {maker.kind for maker in self._makers}

    def json(self, rows: Rows) -> pa.Array:
        """The elements as JSON."""
        from deep_faker.values.compose.as_text import json_of

        return self._written(rows, json_of)

    def texts(self, rows: Rows) -> Iterator[tuple[str, I64, pa.Array]]:
        """The elements as text, kind by kind, with the positions of each."""
        from deep_faker.values.compose.as_text import texts_of

        for maker, positions, some in self._split(rows):
            yield maker.kind, positions, texts_of(maker, some, maker.column(some), maker.kind)

    def _written(self, rows: Rows, write: Callable[[Values, Rows, pa.Array, str], pa.Array]) -> pa.Array:
        parts = self._split(rows)
        texts = [write(maker, some, maker.column(some), maker.kind) for maker, _, some in parts]
        order = np.argsort(np.concatenate([positions for _, positions, _ in parts]), kind="stable")
        return pa.concat_arrays(texts).take(pa.array(order))

    def objects(self, rows: Rows) -> list[object]:
        """The elements as Python objects."""
        from deep_faker.values.compose.as_text import objects_of

        out: list[object] = [None] * len(rows)
        for maker, positions, some in self._split(rows):
            for position, value in zip(positions.tolist(), objects_of(maker, some), strict=True):
                out[position] = value
        return out


class Containers(Values):
    """Lists, tuples or sets, whose ``kinds`` are equally likely; with ``keys`` dicts."""

    kind = "json"

    def __init__(
        self,
        place: Place,
        elements: Elements,
        counts: list[int],
        kinds: Sequence[Container],
        *,
        keys: Keys | None = None,
    ) -> None:
        super().__init__(place)
        self._elements, self._kinds, self._keys = elements, kinds, keys
        self._numbers = np.array(sorted(set(counts)), np.int64)
        self._table = Alias([counts.count(number) for number in self._numbers.tolist()])
        self._as_lists = all(kind in (list, tuple) for kind in kinds)

    def _counts(self, rows: Rows) -> I64:
        draw = mix(self.place.key("count"), rows.flow, rows.action)
        return self._numbers[self._table.indices(draw)]

    def column(self, rows: Rows) -> pa.Array:
        """The JSON; that of sets, whose elements are sorted, is made one by one."""
        if not self._as_lists or (self._keys is not None and not self._keys.distinct):
            return pa.array([json_text(value) for value in self.column_objects(rows)], pa.string())
        counts = self._counts(rows)
        parts = self._elements.json(further(rows, counts))
        first, last = "[]"
        if self._keys is not None:
            parts = pc.binary_join_element_wise(self._keys.json(rows, counts), parts, ": ")
            first, last = "{}"
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
        joined = pc.binary_join(pa.ListArray.from_arrays(offsets, parts), ", ")
        return pc.binary_join_element_wise(first, joined, last, "")

    def column_objects(self, rows: Rows) -> list[object]:
        """The objects themselves."""
        counts = self._counts(rows)
        elements = self._elements.objects(further(rows, counts))
        ends = np.cumsum(counts)
        which = below(self._draw(rows), len(self._kinds)).tolist()
        spans = [slice(int(end - count), int(end)) for end, count in zip(ends, counts, strict=True)]
        if self._keys is not None:
            words = self._keys.texts(rows, counts)
            return [dict(zip(words[span], elements[span], strict=True)) for span in spans]
        return [self._kinds[kind](elements[span]) for kind, span in zip(which, spans, strict=True)]


class Keys:
    """Different entries of a list of words for each row, in the order in which they are drawn.

    >>> from deep_faker.draws.mix import Draws
    >>> keys = Keys(Place(Draws(7), ("key",), 0), ["a", "b", "c"])
    >>> sorted(keys.texts(Rows.of(3, 1), np.array([3])))
    ['a', 'b', 'c']
    """

    def __init__(self, place: Place, words: Sequence[str]) -> None:
        self.words = list(words)
        self._place = place
        self.distinct = len(set(words)) == len(words)

    def indices(self, flow: U64, action: U64, counts: I64) -> I64:
        """The positions of the words, all rows' one after the other."""
        most = int(counts.max()) if len(counts) else 0
        picked = np.full((len(counts), most), len(self.words), np.int64)  # sorted; what is not drawn is last
        drawn = np.empty((len(counts), most), np.int64)
        for step in range(most):
            draw = mix(self._place.key("word", step), flow, action)
            word = below(draw, len(self.words) - step).view(np.int64)  # of those that are left
            for earlier in range(step):
                word = word + (word >= picked[:, earlier])
            drawn[:, step] = word
            picked[:, step] = word
            picked[:, : step + 1].sort(axis=1)
        wanted = np.arange(most)[None, :] < counts[:, None]
        return drawn[wanted]

    def texts(self, rows: Rows, counts: I64) -> list[str]:
        """The words."""
        return [self.words[index] for index in self.indices(rows.flow, rows.action, counts).tolist()]

    def json(self, rows: Rows, counts: I64) -> pa.Array:
        """The words as JSON."""
        texts = pa.array([json_text(word) for word in self.words], pa.string())
        return texts.take(pa.array(self.indices(rows.flow, rows.action, counts)))


class Samples(Values):
    """Lists of different entries of a list of texts.

    >>> from deep_faker.draws.mix import Draws
    >>> place = Place(Draws(7), ("both",), 0)
    >>> sorted(Samples(place, Keys(place, ["a", "b"]), 2).one(3, 1, 0))
    ['a', 'b']
    """

    kind = "json"

    def __init__(self, place: Place, keys: Keys, count: int) -> None:
        super().__init__(place)
        self._keys, self._count = keys, count

    def column(self, rows: Rows) -> pa.Array:
        """The lists as JSON."""
        counts = np.full(len(rows), self._count, np.int64)
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
        joined = pc.binary_join(pa.ListArray.from_arrays(offsets, self._keys.json(rows, counts)), ", ")
        return pc.binary_join_element_wise("[", joined, "]", "")

    def column_objects(self, rows: Rows) -> list[object]:
        """The lists."""
        words = self._keys.texts(rows, np.full(len(rows), self._count, np.int64))
        return [words[start : start + self._count] for start in range(0, len(words), self._count)]


# ---------------------------------------------------------------- Faker's methods


def elements_of(ctx: Making, value_types: Types, allowed_types: Types) -> Elements | None:
    types = [
        each if isinstance(each, str) else getattr(each, "__name__", type(each).__name__).lower()
        for each in ctx.provider._check_signature(value_types, allowed_types)
        if each not in ("iterable", "list", "tuple", "dict", "set")
    ] or list(ctx.provider.default_value_types)
    names = [f"py{each}" if hasattr(ctx.provider, f"py{each}") else each for each in types]
    makers = []
    for name in dict.fromkeys(names):
        maker = ctx.piece(name, part=("element", name))
        if maker is None:
            return None
        makers.append(maker)
    return Elements(ctx.place, makers, [names.count(name) for name in dict.fromkeys(names)])


def counts_of(number: int, *, varied: bool) -> list[int]:
    """As `randomize_nb_elements`: 60 to 140 % in whole per cent, at least one.

    >>> counts_of(5, varied=False), sorted(set(counts_of(5, varied=True)))
    ([5], [3, 4, 5, 6, 7])
    """
    return [max(int(number * percent / 100), 1) for percent in range(60, 141)] if varied else [number]


@family("python.pylist", kinds=(list,))
@family("python.pytuple", kinds=(tuple,))
@family("python.pyset", kinds=(set,))
@family("python.pyiterable", kinds=(list, tuple, set))
def _container(
    ctx: Making,
    *,
    kinds: Sequence[Container],
    nb_elements: int = 10,
    variable_nb_elements: bool = True,
    value_types: Types = None,
    allowed_types: Types = None,
) -> Values | None:
    counts = counts_of(nb_elements, varied=variable_nb_elements)
    elements = elements_of(ctx, value_types, allowed_types)
    if elements is None or not 0 < max(counts) <= 1000:
        return None
    return Containers(ctx.place, elements, counts, kinds)


@family("python.pydict")
def _pydict(
    ctx: Making,
    *,
    nb_elements: int = 10,
    variable_nb_elements: bool = True,
    value_types: Types = None,
    allowed_types: Types = None,
) -> Values | None:
    words = list(ctx.provider.generator.get_words_list())
    counts = counts_of(nb_elements, varied=variable_nb_elements)
    elements = elements_of(ctx, value_types, allowed_types)
    if elements is None or not 0 < max(counts) <= min(_MOST_KEYS, len(words)):
        return None
    return Containers(ctx.place, elements, counts, [list], keys=Keys(ctx.place, words))


@family("lorem.words")
def _words(
    ctx: Making,
    *,
    nb: int = 3,
    ext_word_list: Sequence[str] | None = None,
    part_of_speech: str | None = None,
    unique: bool = False,
) -> Values | None:
    """Different words; others are a plain grammar."""
    words = list(ctx.provider.get_words_list(part_of_speech=part_of_speech, ext_word_list=ext_word_list))
    if not unique or not 0 < nb <= min(_MOST_KEYS, len(words)):
        return None
    return Samples(ctx.place, Keys(ctx.place, words), nb)

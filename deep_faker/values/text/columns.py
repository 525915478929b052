"""Columns of random texts: draw a piece from each table of a grammar and gather all bytes at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import chain
from math import prod
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker.draws.mix import CHUNK, I64, U64, below, below1, mix, mix1, permute, permute1
from deep_faker.plan import arrow
from deep_faker.plan.recipes import Steps, Word
from deep_faker.values.base import Drawn, Place, Rows, Values, pick
from deep_faker.values.text.alias import (
    HALF,
    MOST_OF_HALF,
    Alias,
    even_entries,
    stay_or_go,
    stay_or_go1,
    total,
)
from deep_faker.values.text.grammar import Leaf, Text

_FEW, _SHARE = 64, 50  # making one text by itself takes as long as making the tables of 50
_MOST_IN_DICTIONARY = 20_000  # entries; of more, few are met twice in what is written together
_32 = np.uint64(32)
_NO_FORM = np.zeros(0, np.int64)  # where there is one form, nothing depends on it
_MOST_PERMUTED = 1 << 62


class Demand:
    """How many rows have been asked for of tables of ``size`` texts, as long as those are not worth making.

    It decides about time only: the values are the same, and threads may count one another's rows wrong.

    >>> demand = Demand(10_000)
    >>> [demand.is_small(rows) for rows in (150, 50, 1)]
    [True, True, False]
    """

    def __init__(self, size: int) -> None:
        self._left = max(_FEW, size // _SHARE)

    def is_small(self, rows: int) -> bool:
        """Whether so many more rows are better made one by one."""
        if rows > self._left:
            self._left = 0
            return False
        self._left -= rows
        return True


class Tables:
    """The tables of a grammar one after the other, as arrays to draw from; made once per grammar.

    A text takes ``draws`` draws of 64 bits.  Its form and its pieces share them: tables of up to 65,536
    entries take half a draw, larger ones a whole one.

    The arrays are made when many rows first want them: a field may never be filled, and a few rows look into
    one or two of the tables only.
    """

    def __init__(self, text: Text) -> None:
        text = text.fused()
        rows = [_without_empty(row) for _, row in text.alternatives]
        self._starts: dict[Leaf, int] = {}
        self.size = 1  # of all tables: piece 0 fills the places that an alternative does not use
        for leaf in dict.fromkeys(leaf for row in rows for leaf in row):
            self._starts[leaf] = self.size
            self.size += len(leaf.values)
            if leaf.weights is not None:
                total(leaf.weights)  # raises
        self._by_leaf: dict[Leaf, U64] = {}
        self.text = text
        self.width = max(len(row) for row in rows)
        columns = [[row[slot] if slot < len(row) else None for row in rows] for slot in range(self.width)]
        self.forms = Alias([weight for weight, _ in text.alternatives])
        parts = _Parts()
        self._form = parts.next(self.forms.size) if len(rows) > 1 else None
        self.slots = [_Slot(column, self._starts, parts) for column in columns]
        self.draws = parts.draws
        self.demand = Demand(self.size)

    @cached_property
    def pieces(self) -> list[str]:
        """All pieces of text."""
        return ["", *chain.from_iterable(leaf.values for leaf in self._starts)]

    @cached_property
    def arrow(self) -> pa.Array:
        """The pieces as an array."""
        return arrow.texts(self.pieces)

    @cached_property
    def _entries(self) -> U64:
        entries = [self._entries_of(leaf) + np.uint64(start) for leaf, start in self._starts.items()]
        return np.concatenate([even_entries(1), *entries])

    def _entries_of(self, leaf: Leaf) -> U64:
        """The entries of one table, as if it were the only one."""
        if leaf not in self._by_leaf:
            weights, size = leaf.weights, len(leaf.values)
            self._by_leaf[leaf] = even_entries(size) if weights is None else Alias(weights).entries
        return self._by_leaf[leaf]

    @cached_property
    def single(self) -> bool:
        """Whether every text is one entry of one table."""
        return self.width == 1 and len(self.text.alternatives) == 1

    def keys(self, place: Place) -> list[int]:
        """The keys of the draws at a place."""
        return [place.key(number + 1) for number in range(self.draws)]

    def columns(self, keys: Sequence[int], flow: U64, action: U64) -> list[I64]:
        """The pieces of each row, slot by slot; ``keys``: one for each draw."""
        draws = [mix(key, flow, action) for key in keys]
        form = _NO_FORM if self._form is None else self.forms.of_half(self._form.of(draws)).view(np.int64)
        return [slot.indices(form, draws, self._entries).view(np.int64) for slot in self.slots]

    def indices(self, keys: Sequence[int], flow: U64, action: U64) -> npt.NDArray[np.int32]:
        """The pieces of each row, shape (n, width)."""
        index = np.empty((len(flow), self.width), np.int32)
        for slot, column in enumerate(self.columns(keys, flow, action)):
            index[:, slot] = column
        return index

    def one(self, keys: Sequence[int], flow: int, action: int) -> str:
        """The text of one row, the twin of `indices`."""
        draws = [mix1(key, flow, action) for key in keys]
        form = 0 if self._form is None else self.forms.of_half1(self._form.of1(draws))
        return "".join(self._piece(slot, form, draws) for slot in self.slots)

    def _piece(self, slot: _Slot, form: int, draws: list[int]) -> str:
        leaf = slot.leaves[form]
        if leaf is None:
            return ""
        entries = None if leaf.weights is None else self._entries_of(leaf)
        return leaf.values[slot.index1(form, draws, entries)]

    def place(self, u: Word) -> Word:
        """The steps of `indices` where all texts are ``single``: a place in the table."""
        entries = self._entries_of(next(iter(self._starts)))
        u = u.high_half() if len(entries) <= MOST_OF_HALF else u
        return u.below(len(entries)) if (entries == even_entries(len(entries))).all() else u.alias(entries)


class _Part(NamedTuple):
    """A draw, by its number, or its high or low half."""

    number: int
    which: Literal["whole", "high", "low"]

    def of(self, draws: list[U64]) -> U64:
        """The part, as arrays that may be overwritten (a whole draw has no other user)."""
        u = draws[self.number]
        return u if self.which == "whole" else u >> _32 if self.which == "high" else u & HALF

    def of1(self, draws: list[int]) -> int:
        u = draws[self.number]
        return u if self.which == "whole" else u >> 32 if self.which == "high" else u & int(HALF)


class _Parts:
    """Deals out draws and their halves."""

    def __init__(self) -> None:
        self.draws = 0
        self._free: int | None = None

    def next(self, size: int) -> _Part:
        """What tells ``size`` entries apart."""
        if size <= MOST_OF_HALF and self._free is not None:
            free, self._free = self._free, None
            return _Part(free, "low")
        self.draws += 1
        if size > MOST_OF_HALF:
            return _Part(self.draws - 1, "whole")
        self._free = self.draws - 1
        return _Part(self._free, "high")


class _Slot:
    """The tables of one place of a text, one for each form (None: nothing stands there)."""

    def __init__(self, leaves: Sequence[Leaf | None], starts: Mapping[Leaf, int], parts: _Parts) -> None:
        self.leaves = leaves
        self.starts = [0 if leaf is None else starts[leaf] for leaf in leaves]
        self._sizes = [1 if leaf is None else len(leaf.values) for leaf in leaves]
        self._even = all(leaf is None or leaf.weights is None for leaf in leaves)
        self._part = parts.next(max(self._sizes))
        self._start, self._size = _column(self.starts), _column(self._sizes)

    def indices(self, form: I64, draws: list[U64], entries: U64) -> U64:
        """The piece of each row."""
        size = _of_form(self._size, form)
        u = self._part.of(draws)
        if self._part.which == "whole":
            index = below(u, size if isinstance(size, np.ndarray) else int(size))
            u *= size
            u >>= _32
        else:
            u *= size
            index = u >> _32
            u &= HALF
        index += _of_form(self._start, form)
        return index if self._even else stay_or_go(index, u, entries)

    def index1(self, form: int, draws: list[int], entries: U64 | None) -> int:
        """The twin of `indices`: a place in the form's own table, of which ``entries`` are (None: even)."""
        product = self._part.of1(draws) * self._sizes[form]
        if self._part.which == "whole":
            index, fraction = product >> 64, product >> 32
        else:
            index, fraction = product >> 32, product
        return index if entries is None else stay_or_go1(index, fraction & int(HALF), entries)


def _column(values: list[int]) -> U64 | np.uint64:
    """One number where all are the same."""
    return np.uint64(values[0]) if len(set(values)) == 1 else np.array(values, np.uint64)


def _of_form(column: U64 | np.uint64, form: I64) -> U64 | np.uint64:
    return column.take(form, mode="clip") if isinstance(column, np.ndarray) else column


def _without_empty(row: tuple[Leaf, ...]) -> tuple[Leaf, ...]:
    return tuple(leaf for leaf in row if leaf.values != ("",)) or row[:1]


@lru_cache(maxsize=64)
def gathered(text: Text) -> Tables:
    """The tables of a grammar, shared by the fields that are of the same one: many are names.

    >>> from deep_faker.values.text.grammar import literal, table
    >>> greeting = table(["hi ", "hello "]) + literal("you")
    >>> gathered(greeting).pieces, gathered(greeting) is gathered(greeting)
    (['', 'hi you', 'hello you'], True)
    """
    return Tables(text)


class Texts(Values):
    """Texts of a grammar.  Texts that are entries of one table come as a dictionary array."""

    def __init__(self, place: Place, tables: Tables) -> None:
        super().__init__(place)
        self._tables = tables
        self._keys = tables.keys(place)
        self._plain = tables.size > _MOST_IN_DICTIONARY

    def column(self, rows: Rows) -> pa.Array:
        tables = self._tables
        if tables.single and not self._plain:
            index = np.empty(len(rows), np.int32)
            for start in range(0, len(rows), CHUNK):
                piece = slice(start, start + CHUNK)
                index[piece] = tables.indices(self._keys, rows.flow[piece], rows.action[piece])[:, 0]
            return pick(tables.arrow, index)
        if tables.demand.is_small(len(rows)):
            return one_by_one(self, rows)
        parts = [
            self._chunk(rows.flow[start : start + CHUNK], rows.action[start : start + CHUNK])
            for start in range(0, len(rows), CHUNK)
        ]
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [arrow.texts([])])

    def _chunk(self, flow: U64, action: U64) -> pa.Array:
        return joined(self._tables.arrow, self._tables.indices(self._keys, flow, action))

    def one(self, flow: int, action: int, clock: int) -> str:
        return self._tables.one(self._keys, flow, action)

    def recipe(self, steps: Steps) -> Drawn | None:
        if not self._tables.single:
            return None
        return Drawn(self._tables.place(steps.mix(self._keys[0])), self._tables.arrow[1:])


def one_by_one(texts: Texts, rows: Rows) -> pa.Array:
    """The texts of few rows, for which no arrays are worth making."""
    numbers = zip(rows.flow.tolist(), rows.action.tolist(), strict=True)
    return arrow.texts(texts.one(flow, action, 0) for flow, action in numbers)


def joined(pieces: pa.Array, index: npt.NDArray[np.int32]) -> pa.Array:
    """The pieces of each row joined: the gathered bytes lie in order already, only the offsets thin out.

    >>> joined(pa.array(["a", "-b"]), np.array([[0, 1], [0, 0]], np.int32)).to_pylist()
    ['a-b', 'aa']
    """
    n, width = index.shape
    gathered = pieces.take(arrow.numbers(index.reshape(-1)))
    offsets = np.frombuffer(gathered.buffers()[1], np.int32, count=n * width + 1)[::width].copy()
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), gathered.buffers()[2])


class Patterns(Texts):
    """Texts of one pattern; keys are a permutation of all texts that the pattern has.

    >>> from deep_faker.draws.mix import Draws
    >>> from deep_faker.values.text.grammar import literal, numerify
    >>> codes = Patterns(Place(Draws(7), ("code",), 0), gathered(numerify(literal("A-#"))))
    >>> sorted(codes.unique_one(number) for number in range(10))[-1]
    'A-9'
    """

    def __init__(self, place: Place, tables: Tables) -> None:
        super().__init__(place, tables)
        leaves = _without_empty(tables.text.alternatives[0][1])
        self._permutable = len(tables.text.alternatives) == 1 and all(_even(leaf) for leaf in leaves)
        sizes = [len(leaf.values) for leaf in leaves]
        # Beyond 2**62 texts the last tables are hashed from the counter: the first ones make it unique.
        self._permuted = next((n for n in range(len(sizes), 0, -1) if prod(sizes[:n]) <= _MOST_PERMUTED), 0)
        self._sizes, self._space = sizes, prod(sizes[: self._permuted])
        self.capacity = self._space if self._permutable else None

    def unique(self, counter: U64) -> pa.Array:
        if not self._permutable:
            return super().unique(counter)
        if len(counter):
            self._check_space(int(counter.max()))
        number = permute(self._id_key, counter, self._space)
        index = np.empty((len(counter), len(self._sizes)), np.int32)
        for slot, size in enumerate(self._sizes):
            if slot < self._permuted:
                rest = number // np.uint64(size)
                digit = number - rest * np.uint64(size)
                number = rest
            else:
                digit = below(mix(self._id_key, counter, slot), size)
            index[:, slot] = digit.astype(np.int32) + np.int32(self._tables.slots[slot].starts[0])
        return joined(self._tables.arrow, index)

    def unique_one(self, counter: int) -> object:
        if not self._permutable:
            return super().unique_one(counter)
        self._check_space(counter)
        number, text = permute1(self._id_key, counter, self._space), ""
        for slot, size in enumerate(self._sizes):
            if slot < self._permuted:
                number, digit = divmod(number, size)
            else:
                digit = below1(mix1(self._id_key, counter, slot), size)
            text += self._tables.pieces[self._tables.slots[slot].starts[0] + digit]
        return text


def _even(leaf: Leaf) -> bool:
    """Whether different draws give different texts of one length, so that joining keeps them apart."""
    return leaf.weights is None and len({len(value) for value in leaf.values}) == 1

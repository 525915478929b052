"""Columns of random texts: draw a piece from each table of a grammar and gather all bytes at once."""

from __future__ import annotations

from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa

from deep_faker.draws import I64, MASK, U64, below, below1, mix, mix1, permute, permute1
from deep_faker.providers.base import Place, Rows, Values, pick
from deep_faker.providers.grammar import Leaf, Text
from deep_faker.providers.tables import Alias

_CHUNK = 16_384  # rows of one gather: indices and draws stay in the second-level cache
_MOST_PERMUTED = 1 << 62


class Tables:
    """The tables of a grammar one after the other, as arrays to draw from; made once per grammar."""

    def __init__(self, text: Text) -> None:
        text = text.fused()
        leaves = text.leaves
        starts: dict[Leaf, int] = {}
        pieces: list[str] = [""]  # piece 0 fills the places that an alternative does not use
        keep, alias = [np.full(1, MASK, np.uint64)], [np.zeros(1, np.int64)]
        for leaf in leaves:
            starts[leaf] = at = len(pieces)
            if leaf.weights is None:
                keep.append(np.full(len(leaf.values), MASK, np.uint64))
                alias.append(np.arange(at, at + len(leaf.values)))
            else:
                table = Alias(leaf.weights)
                keep.append(np.array(table.keep, np.uint64))
                alias.append(np.array(table.alias, np.int64) + at)
            pieces.extend(leaf.values)
        self.text = text
        self.alternatives = Alias([weight for weight, _ in text.alternatives])
        self.width = max(len(row) for _, row in text.alternatives)
        self.uniform = all(leaf.weights is None for leaf in leaves)
        self.pieces, self.arrow = pieces, pa.array(pieces, pa.string())
        self.keep, self.alias = np.concatenate(keep), np.concatenate(alias)
        self.starts = np.zeros((self.width, len(text.alternatives)), np.int64)
        self.sizes = np.ones((self.width, len(text.alternatives)), np.uint64)
        for a, (_, row) in enumerate(text.alternatives):
            for slot, leaf in enumerate(row):
                self.starts[slot, a], self.sizes[slot, a] = starts[leaf], len(leaf.values)

    @cached_property
    def single(self) -> bool:
        """Whether every text is one entry of one table."""
        return self.width == 1 and len(self.text.alternatives) == 1

    def draw(self, slot: int, alternative: I64 | int, u: U64) -> I64:
        """The piece of each row in a slot."""
        starts, sizes = self.starts[slot], self.sizes[slot]
        if isinstance(alternative, int):
            size, start = int(sizes[alternative]), int(starts[alternative])
            index = below(u, size).view(np.int64)
            index += start
            spread: Any = np.uint64(size)
        else:
            spread = sizes.take(alternative)
            index = below(u, spread).view(np.int64)
            index += starts.take(alternative)
        if self.uniform:
            return index
        stay = (u * spread) < self.keep.take(index)
        return np.where(stay, index, self.alias.take(index))

    def draw1(self, slot: int, alternative: int, u: int) -> str:
        """The twin of `draw`: the piece itself."""
        size = int(self.sizes[slot, alternative])
        index = below1(u, size) + int(self.starts[slot, alternative])
        if not self.uniform and (u * size) & MASK >= int(self.keep[index]):
            index = int(self.alias[index])
        return self.pieces[index]


@lru_cache(maxsize=256)
def gathered(text: Text) -> Tables:
    """The tables of a grammar, shared by the fields that are of the same one: many are names."""
    return Tables(text)


class Texts(Values):
    """Texts of a grammar.  Texts that are entries of one table come as a dictionary array."""

    def __init__(self, place: Place, tables: Tables) -> None:
        super().__init__(place)
        self._tables = tables
        self._keys = [place.key(slot + 1) for slot in range(tables.width)]
        self._one_form = len(tables.text.alternatives) == 1

    def column(self, rows: Rows) -> pa.Array:
        tables = self._tables
        if tables.single:
            return pick(tables.arrow, tables.draw(0, 0, self._draw(rows, self._keys[0])))
        parts = [
            self._chunk(rows.flow[at : at + _CHUNK], rows.action[at : at + _CHUNK])
            for at in range(0, len(rows), _CHUNK)
        ]
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [pa.array([], pa.string())])

    def _chunk(self, flow: U64, action: U64) -> pa.Array:
        tables = self._tables
        form: I64 | int = 0 if self._one_form else tables.alternatives.indices(mix(self._key, flow, action))
        index = np.empty((len(flow), tables.width), np.int32)
        for slot in range(tables.width):
            index[:, slot] = tables.draw(slot, form, mix(self._keys[slot], flow, action))
        return joined(tables.arrow, index)

    def one(self, flow: int, action: int, clock: int) -> str:
        tables = self._tables
        form = 0 if self._one_form else tables.alternatives.index1(mix1(self._key, flow, action))
        return "".join(
            tables.draw1(slot, form, mix1(key, flow, action)) for slot, key in enumerate(self._keys)
        )


def joined(pieces: pa.Array, index: np.ndarray[Any, np.dtype[np.int32]]) -> pa.Array:
    """The pieces of each row joined: the gathered bytes lie in order already, only the offsets thin out."""
    n, width = index.shape
    gathered = pieces.take(pa.array(index.reshape(-1)))
    offsets = np.frombuffer(gathered.buffers()[1], np.int32, count=n * width + 1)[::width].copy()
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), gathered.buffers()[2])


class Patterns(Texts):
    """Texts of one pattern; keys are a permutation of all texts that the pattern has."""

    def __init__(self, place: Place, tables: Tables) -> None:
        super().__init__(place, tables)
        leaves = tables.text.alternatives[0][1]
        self._permutable = self._one_form and all(_even(leaf) for leaf in leaves)
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
            index[:, slot] = digit.astype(np.int32) + np.int32(self._tables.starts[slot, 0])
        return joined(self._tables.arrow, index)

    def unique_one(self, counter: int) -> Any:
        if not self._permutable:
            return super().unique_one(counter)
        self._check_space(counter)
        number, text = permute1(self._id_key, counter, self._space), ""
        for slot, size in enumerate(self._sizes):
            if slot < self._permuted:
                number, digit = divmod(number, size)
            else:
                digit = below1(mix1(self._id_key, counter, slot), size)
            text += self._tables.pieces[int(self._tables.starts[slot, 0]) + digit]
        return text


def _even(leaf: Leaf) -> bool:
    """Whether different draws give different texts of one length, so that joining keeps them apart."""
    return leaf.weights is None and len({len(value) for value in leaf.values}) == 1

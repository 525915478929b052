"""Texts of short parts of different lengths: each part is one word, and shifts set them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import product
from math import prod

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import I64, U64, below, below1, mix, mix1
from deep_faker.values.base import Place, Rows
from deep_faker.values.text.alias import Alias
from deep_faker.values.text.columns import Demand, Patterns, Tables, one_by_one
from deep_faker.values.text.cut_draws import MOST, cut, cut1, repeated, shared, together, together1
from deep_faker.values.text.grammar import Leaf, NotAGrammarError, Text
from deep_faker.values.text.words64 import Part, Pieces, in_chunks, in_words, run_together

_MOST_FORMS = 600
_MOST_PARTS, _MOST_BYTES = 10, 64
_LONGEST = 16  # bytes of a piece: two words
_MOST_FUSED = 10_000  # entries of a table that was made by joining two
_WORD = 8


class Run:
    """The parts of each form of a text, and what draws them."""

    def __init__(self, forms: list[list[tuple[str, ...]]], weights: list[float]) -> None:
        self.forms, self.even = len(forms), len(set(weights)) == 1
        self.table = Alias(weights)
        count = max(map(len, forms))
        self.starts = np.zeros((count, len(forms)), np.int64)
        self.sizes = np.ones((count, len(forms)), np.uint64)
        self.texts: list[list[str]] = []
        for slot in range(count):
            known: dict[tuple[str, ...], int] = {}
            texts: list[str] = []
            for number, form in enumerate(forms):
                values = form[slot] if slot < len(form) else ("",)
                if values not in known:
                    known[values] = len(texts)
                    texts.extend(values)
                self.starts[slot, number], self.sizes[slot, number] = known[values], len(values)
            self.texts.append(texts)
        self.most = [int(size.max()) for size in self.sizes]
        self.draws = shared([len(forms) if self.even else 1, *self.most])
        self.demand = Demand(sum(map(len, self.texts)))

    @cached_property
    def pieces(self) -> list[list[Pieces]]:
        """Of each slot the first eight bytes of its texts, and the others. Made when many rows want them."""
        return [in_words(texts) for texts in self.texts]

    def column(self, keys: Sequence[int], form_key: int, counter: U64) -> pa.Array:
        """The texts of some rows."""
        form: I64 | None = None
        if self.forms > 1 and not self.even:
            form = self.table.indices(mix(form_key, counter))
        index: list[I64 | None] = [None] * len(self.texts)
        for key, group in zip(keys, self.draws, strict=False):
            left = mix(key, counter)
            for number in group:
                if number == 0:
                    form = cut(left, self.forms)
                    continue
                size = self._size(number - 1, form)
                if self.most[number - 1] > MOST:
                    index[number - 1] = below(left, size).view(np.int64)
                else:
                    index[number - 1] = cut(left, size, last=number == group[-1])
        parts: list[Part] = []
        for slot, each in enumerate(index):
            parts += self._parts(slot, each, form, len(counter))
        return run_together(parts)

    def _size(self, slot: int, form: I64 | None) -> int | U64:
        sizes = self.sizes[slot]
        return self.most[slot] if form is None or (sizes == sizes[0]).all() else sizes.take(form)

    def _parts(self, slot: int, index: I64 | None, form: I64 | None, n: int) -> list[Part]:
        starts = self.starts[slot]
        if form is not None and (starts != starts[0]).any():
            start = starts.take(form)
            index = start if index is None else np.add(index, start, out=index)
        if index is None:
            index = np.zeros(n, np.int64)
        return [words.take(index) for words in self.pieces[slot]]

    def text(self, keys: Sequence[int], form_key: int, counter: int) -> str:
        """The twin of `column` for one row."""
        form = 0
        if self.forms > 1 and not self.even:
            form = self.table.index1(mix1(form_key, counter))
        index = [0] * len(self.texts)
        for key, group in zip(keys, self.draws, strict=False):
            left = mix1(key, counter)
            for number in group:
                size = self.forms if number == 0 else int(self.sizes[number - 1, form])
                if number == 0:
                    form, left = cut1(left, size)
                elif self.most[number - 1] > MOST:
                    index[number - 1] = below1(left, size)
                else:
                    index[number - 1], left = cut1(left, size)
        starts = self.starts[:, form].tolist()
        return "".join(
            texts[start + entry] for texts, start, entry in zip(self.texts, starts, index, strict=True)
        )


@lru_cache(maxsize=64)
def run_of(text: Text) -> Run | None:
    """How a text is run together, None where its parts are too long or too many.

    >>> from deep_faker.values.text.grammar import literal, table
    >>> run_of(table(["ann", "bob"]) + literal("@x.org")).texts
    [['ann', 'bob'], ['@x.org']]
    """
    memo: dict[tuple[Leaf, ...], tuple[str, ...]] = {}
    try:
        rows = [(weight, _parts(row, memo)) for weight, row in text.alternatives if weight > 0]
    except NotAGrammarError:
        return None
    merged: dict[tuple[tuple[str, ...], ...], float] = {}
    for weight, parts in rows:
        merged[tuple(parts)] = merged.get(tuple(parts), 0.0) + weight
    if len(merged) > _MOST_FORMS:
        return None
    least = min(merged.values())
    weights = [least if abs(each - least) < 1e-12 else each for each in merged.values()]
    return Run([list(parts) for parts in merged], weights)


def _parts(row: tuple[Leaf, ...], memo: dict[tuple[Leaf, ...], tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The tables of a form, neighbours joined while their texts fit into a word."""
    groups: list[list[Leaf]] = []
    for leaf in map(_checked, row):
        joined = [*groups[-1], leaf] if groups else []
        if (
            joined
            and sum(map(_longest, joined)) <= _WORD
            and prod(len(each.values) for each in joined) <= _MOST_FUSED
        ):
            groups[-1] = joined
        else:
            groups.append([leaf])
    parts = []
    for group in groups:
        key = tuple(group)
        if key not in memo:
            memo[key] = (
                tuple(map("".join, product(*map(_even, group)))) if len(group) > 1 else _even(group[0])
            )
        parts.append(memo[key])
    if not 0 < len(parts) <= _MOST_PARTS or sum(map(_longest, row)) > _MOST_BYTES:
        raise NotAGrammarError("too long")
    return parts


def _even(leaf: Leaf) -> tuple[str, ...]:
    return leaf.values if leaf.weights is None else repeated(leaf.values, leaf.weights)


@lru_cache(maxsize=1024)
def _longest(leaf: Leaf) -> int:
    """Bytes of the longest text."""
    if "".join(leaf.values).isascii():
        return max(map(len, leaf.values))
    return max(len(value.encode()) for value in leaf.values)


def _checked(leaf: Leaf) -> Leaf:
    if len(leaf.values) > MOST or _longest(leaf) > _LONGEST:
        raise NotAGrammarError("too many, or too long")
    return leaf


class RunTexts(Patterns):
    """Texts of short parts; ``counted`` are those whose keys are a permutation, as with all patterns."""

    def __init__(self, place: Place, tables: Tables, run: Run, *, counted: bool) -> None:
        super().__init__(place, tables)
        if not counted:
            self._permutable, self.capacity = False, None
        self._run = run
        self._run_keys = [place.key(number + 1) for number in range(len(run.draws))]

    def column(self, rows: Rows) -> pa.Array:
        if self._run.demand.is_small(len(rows)):
            return one_by_one(self, rows)

        def chunk(some: slice) -> pa.Array:
            counter = together(rows.flow[some], rows.action[some])
            return self._run.column(self._run_keys, self._key, counter)

        return in_chunks(len(rows), chunk)

    def one(self, flow: int, action: int, clock: int) -> str:
        return self._run.text(self._run_keys, self._key, together1(flow, action))

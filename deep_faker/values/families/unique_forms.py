"""Texts of several forms, each at most once: card numbers, social security numbers, plates.

Numbers are dealt to the forms in proportion to their chances, and each form's texts are a permutation:
a pool knows only what it has drawn, and would have to be searched for what has been used.
"""

# ruff: noqa: SLF001 - the tables of providers that draw texts

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import U64, below, mix, permute
from deep_faker.values.base import Place, Provider, Values
from deep_faker.values.families.check_digits import Checked
from deep_faker.values.text.columns import Texts, joined
from deep_faker.values.text.grammar import Leaf, Text

_MOST_FORMS = 200
_BLOCK = 4096  # numbers that are dealt to forms of different chances
_MOST_PERMUTED = 1 << 62
_MOST_UNEVEN = 4.0  # of Faker's social security numbers, area 667 is twice as likely as others


@dataclass(frozen=True)
class _Form:
    """The tables of one form, how many numbers of a block it has, and the number of its texts."""

    leaves: tuple[Leaf, ...]
    share: int
    space: int  # of the first tables; the others are hashed from the number
    permuted: int

    @property
    def characters(self) -> list[set[str]]:
        """What may stand at each place."""
        return [set(column) for leaf in self.leaves for column in zip(*leaf.values, strict=True)]


class Separate(Values):
    """The texts of a grammar whose forms have no text in common."""

    def __init__(
        self, place: Place, forms: Sequence[_Form], finish: Callable[[pa.Array], pa.Array] | None
    ) -> None:
        super().__init__(place)
        self._forms, self._finish = forms, finish
        self._block = sum(form.share for form in forms)
        self._form = np.repeat(np.arange(len(forms)), [form.share for form in forms])
        self._rank = np.concatenate([np.arange(form.share) for form in forms]).astype(np.uint64)
        self.capacity = min(_MOST_PERMUTED, *(form.space // form.share * self._block for form in forms))
        pieces = [[value for leaf in form.leaves for value in leaf.values] for form in forms]
        self._pieces = [pa.array(values, pa.string()) for values in pieces]
        self._keys = [place.draws.id_key(*place.purpose, "form", number) for number in range(len(forms))]

    def unique(self, counter: U64) -> pa.Array:
        """A different text for each number."""
        if len(counter):
            self._check_space(int(counter.max()))
        assert self.capacity is not None
        number = permute(self._id_key, counter, self.capacity)
        block = number // np.uint64(self._block)
        offset = (number - block * np.uint64(self._block)).astype(np.int64)
        which, rank = self._form[offset], self._rank[offset]
        parts, places = [pa.array([], pa.string())], [np.empty(0, np.int64)]
        for form_number, form in enumerate(self._forms):
            positions = np.flatnonzero(which == form_number)
            if len(positions):
                parts.append(
                    self._texts(form_number, block[positions] * np.uint64(form.share) + rank[positions])
                )
                places.append(positions)
        order = np.argsort(np.concatenate(places), kind="stable")
        texts = pa.concat_arrays(parts).take(pa.array(order))
        return texts if self._finish is None else self._finish(texts)

    def _texts(self, which: int, number: U64) -> pa.Array:
        form, key = self._forms[which], self._keys[which]
        rest = permute(key, number, form.space)
        index = np.empty((len(number), len(form.leaves)), np.int32)
        start = 0
        for slot, leaf in enumerate(form.leaves):
            size = len(leaf.values)
            if slot < form.permuted:
                more = rest // np.uint64(size)
                digit = rest - more * np.uint64(size)
                rest = more
            else:
                digit = below(mix(key, number, slot), size)
            index[:, slot] = digit.astype(np.int32) + np.int32(start)
            start += size
        return joined(self._pieces[which], index)


def separate(place: Place, inner: Provider) -> Values | None:
    """The same texts, each at most once; None where forms may have texts in common.

    >>> from deep_faker.draws.mix import Draws
    >>> from deep_faker.values.text.columns import Tables
    >>> from deep_faker.values.text.grammar import either, literal, numerify
    >>> place = Place(Draws(7), ("plate",), 0)
    >>> plates = Texts(place, Tables(either([numerify(literal("A-#")), numerify(literal("B-#"))])))
    >>> values = separate(place, plates)
    >>> len(set(values.unique(np.arange(values.capacity, dtype=np.uint64)).to_pylist()))
    20
    """
    texts = inner._free if isinstance(inner, Checked) else inner
    if not isinstance(texts, Texts):
        return None
    forms = _forms(texts._tables.text)
    if forms is None:
        return None
    return Separate(place, forms, inner._completed if isinstance(inner, Checked) else None)


def _forms(text: Text) -> list[_Form] | None:
    merged: dict[tuple[tuple[str, ...], ...], tuple[float, tuple[Leaf, ...]]] = {}
    for weight, leaves in text.alternatives:
        if not all(_even(leaf) for leaf in leaves):
            return None
        key = tuple(leaf.values for leaf in leaves)
        merged[key] = (merged.get(key, (0.0,))[0] + weight, leaves)
    if len(merged) > _MOST_FORMS:
        return None
    shares = _shares([weight for weight, _ in merged.values()])
    forms = [_form(leaves, share) for (_, leaves), share in zip(merged.values(), shares, strict=True)]
    seen = [form.characters for form in forms]
    for number, one in enumerate(seen):
        for other in seen[:number]:
            if len(one) == len(other) and not any(a.isdisjoint(b) for a, b in zip(one, other, strict=True)):
                return None
    return forms


def _even(leaf: Leaf) -> bool:
    """Whether different draws give different texts of one length, so that joining keeps them apart.

    Small differences of chances are let go: without repeats they fade anyhow.
    """
    weights = leaf.weights or (1.0,)
    return max(weights) <= _MOST_UNEVEN * min(weights) and len({len(value) for value in leaf.values}) == 1


def _shares(weights: list[float]) -> list[int]:
    if max(weights) - min(weights) < 1e-9 * max(weights):
        return [1] * len(weights)
    return [max(round(_BLOCK * weight / sum(weights)), 1) for weight in weights]


def _form(leaves: tuple[Leaf, ...], share: int) -> _Form:
    sizes = [len(leaf.values) for leaf in leaves]
    permuted = next(n for n in range(len(sizes), -1, -1) if prod(sizes[:n]) <= _MOST_PERMUTED)
    return _Form(leaves, share, prod(sizes[:permuted]), permuted)

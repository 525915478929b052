"""Values of several locales, each in proportion to its weight.

Which locale a row has depends on the mix alone, not on the field: all fields of an event that have
the same mix are of the same locale.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.declare.schema.generators import Mix
from deep_faker.draws.mix import I64, mix, mix1
from deep_faker.errors import DeclarationError, Diagnostic
from deep_faker.plan import arrow
from deep_faker.plan.recipes import Steps, Word
from deep_faker.values.base import Drawn, Place, Provider, Rows, Values, plain
from deep_faker.values.text.alias import Alias


class LocaleDraw:
    """Which of a mix's locales each row has.

    >>> from deep_faker.draws.mix import Draws
    >>> draw = LocaleDraw(Place(Draws(7), ("name",), 0), (("de_DE", 1), ("fr_FR", 0)))
    >>> draw.locales, draw.index1(3, 1)
    (['de_DE', 'fr_FR'], 0)
    """

    def __init__(self, place: Place, mix_: Mix) -> None:
        self.locales = [name for name, _ in mix_]
        self._table = Alias([weight for _, weight in mix_])
        self._key = place.draws.key("locale", *(f"{name}={weight!r}" for name, weight in mix_))

    def indices(self, rows: Rows) -> I64:
        """The positions of the rows' locales."""
        return self._table.indices(mix(self._key, rows.flow, rows.action))

    def index1(self, flow: int, action: int) -> int:
        """The twin of `indices`."""
        return self._table.index1(mix1(self._key, flow, action))

    def place(self, steps: Steps) -> Word:
        """The steps of `indices`."""
        return self._table.place(steps.mix(self._key))


class Mixed(Values):
    """Each row's value by the provider of its locale."""

    def __init__(self, place: Place, mix_: Mix, make: Callable[[str], Provider]) -> None:
        super().__init__(place)
        self._draws = LocaleDraw(place, mix_)
        self.providers = [make(name) for name in self._draws.locales]
        kinds = {provider.kind for provider in self.providers}
        if len(kinds) > 1:
            pairs = zip(self._draws.locales, self.providers, strict=True)
            label = ", ".join(f"{name} gives {provider.kind}" for name, provider in pairs)
            mend = "give the locales fields of their own"
            raise DeclarationError(Diagnostic("locales of different types", place.span, label, mend))
        self.kind = kinds.pop()
        hows = {provider.how for provider in self.providers}
        self.how = next(how for how in ("row", "pool", "column") if how in hows)
        total = sum(weight for _, weight in mix_)
        shares = ", ".join(f"{name} {weight / total:.0%}" for name, weight in mix_)
        details = dict.fromkeys(provider.detail for provider in self.providers if provider.detail)
        self.detail = "; ".join([shares, *details])
        none = np.empty(0, np.uint64)
        empty = [provider.column(Rows(none, none, none.astype(np.int64))) for provider in self.providers]
        self._dictionary: pa.Array | None = None
        if all(isinstance(array, pa.DictionaryArray) for array in empty):
            self._dictionary = pa.concat_arrays([array.dictionary for array in empty]).unique()
            self._codes = [arrow.values(pc.index_in(array.dictionary, self._dictionary)) for array in empty]

    def column(self, rows: Rows) -> pa.Array:
        which = self._draws.indices(rows)
        order = np.argsort(which, kind="stable")
        edges = np.searchsorted(which[order], np.arange(len(self.providers) + 1))
        parts = []
        for number, provider in enumerate(self.providers):
            positions = order[edges[number] : edges[number + 1]]
            array = provider.column(rows.take(positions))
            parts.append(self._coded(number, array) if self._dictionary is not None else plain(array))
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        taken = pa.concat_arrays(parts).take(arrow.numbers(back))
        if self._dictionary is None:
            return taken
        return pa.DictionaryArray.from_arrays(taken, self._dictionary, safe=False)

    def _coded(self, number: int, array: pa.DictionaryArray) -> pa.Array:
        """The codes in the dictionary of all locales."""
        if not len(array):
            return pa.nulls(0, pa.int32())
        table = (
            arrow.numbers(self._codes[number].astype(np.int32))
            if len(self._codes[number])
            else pa.nulls(1, pa.int32())
        )
        return table.take(array.indices)

    def one(self, flow: int, action: int, clock: int) -> object:
        return self.providers[self._draws.index1(flow, action)].one(flow, action, clock)

    def recipe(self, steps: Steps) -> Drawn | None:
        which, drawn = self._draws.place(steps), [provider.recipe(steps) for provider in self.providers]
        word: Word | None = None
        values: list[pa.Array] = []
        for number, each in enumerate(drawn):
            if each is None or each.values is None:
                return None
            place = each.word + sum(map(len, values))
            word = place if word is None else which.equals(number).select(place, word)
            values.append(plain(each.values))
        assert word is not None
        return Drawn(word, pa.concat_arrays(values))
